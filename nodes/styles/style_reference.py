"""Warns if experts are sampled without the inputs of their training: the style image, and the prompt's length."""

from collections.abc import Iterable, Mapping
from typing import Any

from comfy.model_patcher import ModelPatcher

from ...moe import StyleExpert
from ..comfy_server import NodeText
from ..compilation import is_compiled
from ..model_wrappers import wrap_run
from ..text_length import length_note
from .style_positions import NOT_COMPILED

REFERENCES_NEEDED = 2
"""Number of reference latents: the content image's and the style image's."""
INDEX_METHOD = "index"
"""Reference method that gives each reference its own index at the same row and column."""
DEFAULT_METHOD = "diffusion_model.params.default_ref_method"
"""Model object that holds the reference method for prompts that do not name one."""
REMEDY = (
    "Add a Reference Latent with the style image after the content image's, and then "
    f"FluxKontextMultiReferenceLatentMethod with '{INDEX_METHOD}', as in the example workflow: otherwise the style is "
    "weaker."
)
MISSING = "{name} was trained with the style image as a second reference, but the prompt has {found}. " + REMEDY
WRONG_METHOD = (
    "{name} was trained with the style image as a second reference by the method "
    f"'{INDEX_METHOD}', but the prompt uses '{{found}}'. Add FluxKontextMultiReferenceLatentMethod with "
    f"'{INDEX_METHOD}' after the last Reference Latent, as in the example workflow: otherwise the style is weaker."
)

Conds = Mapping[str, Iterable[Mapping[str, Any]]]
"""A guider's conditionings, by kind ("positive", "negative")."""


def reads_style_image(expert: StyleExpert) -> bool:
    """Whether the experts were trained with the style image as a second reference."""
    return expert.style_rows is not None


def warn_of_other_inputs(model: ModelPatcher, expert: StyleExpert, text: NodeText) -> None:
    """Makes `model` warn each time it is sampled without the inputs of the experts' training.

    These are the style image, if the experts were trained with it, and the prompt's length, if the file records it.

    Args:
        model: a clone with the experts.
        expert: the experts.
        text: the text below the node.
    """
    if not reads_style_image(expert) and expert.text_tokens is None:
        return

    def around_sampling(executor, *arguments, **named):
        guider, shown = executor.class_obj, text.copy()
        default_method = guider.model_patcher.get_model_object(DEFAULT_METHOD)
        prompts = [cond["cross_attn"] for cond in guider.conds.get("positive", ()) if "cross_attn" in cond]
        notes = [length_note(expert, (prompt.shape[1] for prompt in prompts))]
        if reads_style_image(expert):
            notes.append(_warning(expert.path.name, guider.conds, default_method))
        if expert.style_rows and is_compiled(guider.model_patcher):
            notes.append(NOT_COMPILED.format(name=expert.path.name))
        for note in filter(None, notes):
            shown.warn(note)
        return executor(*arguments, **named)

    wrap_run(model, "trained_inputs", around_sampling)


def _warning(name: str, conds: Conds, default_method: str) -> str | None:
    """What the positive conditionings lack; None if one of them has both references and the right method."""
    prompts = [(len(cond.get("reference_latents") or ()), cond) for cond in conds.get("positive", ())]
    most = max((count for count, _ in prompts), default=0)
    if most < REFERENCES_NEEDED:
        return MISSING.format(name=name, found="one reference latent only" if most else "no reference latent")
    complete = [cond for count, cond in prompts if count >= REFERENCES_NEEDED]
    methods = [cond.get("reference_latents_method") or default_method for cond in complete]
    if any(method.startswith(INDEX_METHOD) for method in methods):
        return None
    return WRONG_METHOD.format(name=name, found=methods[0])
