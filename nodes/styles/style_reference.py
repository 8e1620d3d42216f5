"""Warns if experts are sampled without the inputs of their training: the style image, and the prompt's length."""

from collections.abc import Iterable, Mapping
from typing import Any

from comfy.model_patcher import ModelPatcher

from ...moe import StyleExpert
from ...moe.baking import reads_style_image
from ..comfy_server import NodeText
from ..compilation import is_compiled
from ..model_wrappers import wrap_run
from ..notice import Notice
from ..text_length import length_note
from .style_positions import NOT_COMPILED

__all__ = ["REMEDY", "reads_style_image", "warn_of_other_inputs"]

REFERENCES_NEEDED = 2
"""Number of reference latents: the content image's and the style image's."""
INDEX_METHOD = "index"
"""Reference method that gives each reference its own index at the same row and column."""
DEFAULT_METHOD = "diffusion_model.params.default_ref_method"
"""Model object that holds the reference method for prompts that do not name one."""
REMEDY = (
    "Add a Reference Latent with the style image after the content image's, and then "
    f"FluxKontextMultiReferenceLatentMethod with '{INDEX_METHOD}', as in the example workflow (Style References does "
    "both): otherwise the style is weaker."
)
BRANCH_NOT_COMPILED = (
    "{name} is added at run time, so its steps run without torch.compile. Set method to patch, if the style is for the "
    "whole image at all steps."
)
SHOWN_AT_MOST = 4
"""Sampled images that a warning lists for each style image."""

Conds = Mapping[str, Iterable[Mapping[str, Any]]]
"""A guider's conditionings, by kind ("positive", "negative")."""


def warn_of_other_inputs(
    model: ModelPatcher, expert: StyleExpert, text: NodeText, styles: int = 1, is_at_run_time: bool = False
) -> None:
    """Makes `model` warn each time it is sampled without the inputs of the experts' training.

    These are the style image, if the experts were trained with it, and the prompt's length, if the file records it.
    It also warns if the style reference is a batch, but the style is one: ComfyUI then gives each sampled image another
    style image. And it warns if the experts switch off `torch.compile`.

    Args:
        model: a clone with the experts.
        expert: the experts.
        text: the text below the node.
        styles: number of styles, one for each image of the batch; 1 for all images.
        is_at_run_time: whether the experts are added at run time.
    """
    if not reads_style_image(expert) and expert.text_tokens is None and not is_at_run_time:
        return

    def around_sampling(executor, noise, *arguments, **named):
        guider, shown = executor.class_obj, text.copy()
        default_method = guider.model_patcher.get_model_object(DEFAULT_METHOD)
        prompts = [cond["cross_attn"] for cond in guider.conds.get("positive", ()) if "cross_attn" in cond]
        if note := length_note(expert, (prompt.shape[1] for prompt in prompts)):
            shown.warn(note)
        if (reason := _not_compiled(expert, is_at_run_time)) and is_compiled(guider.model_patcher):
            shown.warn(reason.format(name=expert.path.name))
        if reads_style_image(expert):
            notice = _notice(expert.path.name, guider.conds, default_method, len(noise), styles)
            if notice is not None:
                shown.warn(notice)
        shown.show()  # removes the warnings of an earlier run
        return executor(noise, *arguments, **named)

    wrap_run(model, "trained_inputs", around_sampling)


def _not_compiled(expert: StyleExpert, is_at_run_time: bool) -> str | None:
    """Why the model runs without compilation, with a place for the file's name; None if it runs compiled."""
    if expert.style_rows:
        return NOT_COMPILED
    return BRANCH_NOT_COMPILED if is_at_run_time else None


def _notice(name: str, conds: Conds, default_method: str, images: int, styles: int) -> Notice | None:
    """What the positive conditionings lack; None if one of them has both references and the right method."""
    prompts = [(len(cond.get("reference_latents") or ()), cond) for cond in conds.get("positive", ())]
    most = max((count for count, _ in prompts), default=0)
    trained = f"{name} was trained with the style image as a second reference"
    if most < REFERENCES_NEEDED:
        found = "one reference latent only" if most else "no reference latent"
        return Notice("Add the style image as a second reference.", f"{trained}, but the prompt has {found}. {REMEDY}")
    complete = [cond for count, cond in prompts if count >= REFERENCES_NEEDED]
    methods = [cond.get("reference_latents_method") or default_method for cond in complete]
    if not any(method.startswith(INDEX_METHOD) for method in methods):
        return Notice(
            f"The reference method is '{methods[0]}', not '{INDEX_METHOD}'.",
            f"{trained} by the method '{INDEX_METHOD}', but the prompt uses '{methods[0]}'. Add "
            f"FluxKontextMultiReferenceLatentMethod with '{INDEX_METHOD}' after the last Reference Latent, as in the "
            "example workflow: otherwise the style is weaker.",
        )
    return _batch_notice(complete, images, styles)


def _batch_notice(conds: Iterable[Mapping[str, Any]], images: int, styles: int) -> Notice | None:
    """Which style image each sampled image follows; None if all follow one, or each follows its own style."""
    sizes = [len(latents) for cond in conds for latents in cond["reference_latents"][1:]]
    if (size := max(sizes)) in (1, styles):
        return None
    shares = "; ".join(_share(index, size, images) for index in range(min(size, images)))
    return Notice(
        f"{shares}.",
        f"The style reference has {size} images, and ComfyUI gives them to the sampled images in turn. {shares}. "
        "Connect one style image to its VAE Encode, or one Reference Latent for each style image.",
    )


def _share(index: int, size: int, images: int) -> str:
    """The sampled images that follow one style image, counted from 1: "images 1, 3: style image 1"."""
    numbers = [str(number + 1) for number in range(index, images, size)]
    more = ", …" if len(numbers) > SHOWN_AT_MOST else ""
    return f"Image{'s' * (len(numbers) > 1)} {', '.join(numbers[:SHOWN_AT_MOST])}{more}: style image {index + 1}"
