"""A word of warning where experts that read the style image are sampled without it, or with it out of place."""

from collections.abc import Iterable, Mapping
from typing import Any

from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrappersMP

from ...moe import StyleExpert
from ..comfy_server import warn

NEEDED = 2
"""Reference latents: the photo's and the style image's."""
PLACE = "index"
"""ComfyUI's name for the way in which references stand behind each other, each at the image's own place."""
DEFAULT_PLACE = "diffusion_model.params.default_ref_method"
"""Of a model, where the prompt says nothing."""
REMEDY = (
    "add a Reference Latent with the style image after the photo's, and behind it "
    f"FluxKontextMultiReferenceLatentMethod with '{PLACE}', as in the pack's example workflow; without it the style is "
    "weaker."
)
MISSING = "{name} was trained with the style image beside the photo, and the prompt has {found}: " + REMEDY
MISPLACED = (
    "{name} was trained with the style image beside the photo, one behind the other, and the prompt places them by "
    f"'{{found}}': add FluxKontextMultiReferenceLatentMethod with '{PLACE}' after the last Reference Latent, as in the "
    "pack's example workflow; otherwise the style is weaker."
)

Conds = Mapping[str, Iterable[Mapping[str, Any]]]
"""Of a guider: the conditionings by kind."""


def reads_style_image(expert: StyleExpert) -> bool:
    """Whether its file says that it was trained with the style image as a second reference."""
    return bool((expert.training or {}).get("style_reference"))


def warn_without_style_image(model: ModelPatcher, expert: StyleExpert, node_id: str | None) -> None:
    """From now on `model` says in the log, and under the node, when it is sampled without the style image."""

    def around_sampling(executor, *arguments, **named):
        guider = executor.class_obj
        default = guider.model_patcher.get_model_object(DEFAULT_PLACE)
        if sentence := _missing(expert.path.name, guider.conds, default):
            warn(sentence, node_id)
        return executor(*arguments, **named)

    model.add_wrapper_with_key(WrappersMP.OUTER_SAMPLE, "styleroute_style_image", around_sampling)


def _missing(name: str, conds: Conds, default: str) -> str | None:
    """What the positive conditionings lack; None where one has both images in their places."""
    prompts = [(len(cond.get("reference_latents") or ()), cond) for cond in conds.get("positive", ())]
    most = max((count for count, _ in prompts), default=0)
    if most < NEEDED:
        return MISSING.format(name=name, found="the photo's alone" if most else "no reference latent")
    places = [cond.get("reference_latents_method") or default for count, cond in prompts if count >= NEEDED]
    return None if any(place.startswith(PLACE) for place in places) else MISPLACED.format(name=name, found=places[0])
