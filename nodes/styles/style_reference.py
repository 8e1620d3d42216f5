"""Warns if experts that were trained with the style image as a second reference are sampled without that reference."""

from collections.abc import Iterable, Mapping
from typing import Any

from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrappersMP

from ...moe import StyleExpert
from ...moe.baking import reads_style_image
from ..comfy_server import warn

__all__ = ["REMEDY", "reads_style_image", "warn_without_style_image"]

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
MISSING = "{name} was trained with the style image as a second reference, but the prompt has {found}. " + REMEDY
WRONG_METHOD = (
    "{name} was trained with the style image as a second reference by the method "
    f"'{INDEX_METHOD}', but the prompt uses '{{found}}'. Add FluxKontextMultiReferenceLatentMethod with "
    f"'{INDEX_METHOD}' after the last Reference Latent, as in the example workflow: otherwise the style is weaker."
)

Conds = Mapping[str, Iterable[Mapping[str, Any]]]
"""A guider's conditionings, by kind ("positive", "negative")."""


def warn_without_style_image(model: ModelPatcher, expert: StyleExpert, node_id: str | None) -> None:
    """Makes `model` warn, in the log and below the node, each time it is sampled without the style image."""

    def around_sampling(executor, *arguments, **named):
        guider = executor.class_obj
        default_method = guider.model_patcher.get_model_object(DEFAULT_METHOD)
        if text := _warning(expert.path.name, guider.conds, default_method):
            warn(text, node_id)
        return executor(*arguments, **named)

    model.add_wrapper_with_key(WrappersMP.OUTER_SAMPLE, "styleroute_style_image", around_sampling)


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
