"""The live preview of a sampler, with the heat map that grows while it runs laid over it."""

from collections.abc import Callable

import comfy.utils
import latent_preview
import numpy as np
import torch
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrappersMP
from PIL import Image
from torch import Tensor

from .overlay import overlay
from .recorded_maps import RecordedMaps
from .region_mask import has_region, region_heat

OPACITY, COLOUR_MAP = 0.5, "fire"
FORMAT = "JPEG"

Callback = Callable[[int, Tensor, Tensor, int], None]
"""As samplers call it after a step: its number, x0, x, and how many there are."""


def with_heat_preview(model: ModelPatcher, maps: RecordedMaps, region: str) -> ModelPatcher:
    """A clone of `model` whose sampler shows heat maps in place of its own preview."""

    def around_sampler(executor, guider, sigmas, extra_args, callback, *rest):
        return executor(guider, sigmas, extra_args, heat_callback(model, maps, region, len(sigmas) - 1), *rest)

    clone = model.clone()
    clone.add_wrapper_with_key(WrappersMP.SAMPLER_SAMPLE, "styleroute_preview", around_sampler)
    return clone


def heat_callback(model: ModelPatcher, maps: RecordedMaps, region: str, steps: int) -> Callback:
    """Tells progress and shows the preview; where ComfyUI's previews are off, the heat map alone."""
    previewer = latent_preview.get_previewer(model.load_device, model.model.latent_format)
    progress = comfy.utils.ProgressBar(steps)

    def callback(step: int, x0: Tensor, x: Tensor, total: int) -> None:
        image = _preview(previewer, x0)
        if has_region(maps, region):
            heat = region_heat(maps, region, image.shape[1:3])[:1]
            image = overlay(image, heat, COLOUR_MAP, OPACITY if previewer else 1.0)
        progress.update_absolute(step + 1, total, (FORMAT, _to_pillow(image), latent_preview.MAX_PREVIEW_RESOLUTION))

    return callback


def _preview(previewer: latent_preview.LatentPreviewer | None, x0: Tensor) -> Tensor:
    """The batch's first image, [1, H, W, 3] in 0..1; grey where there is no previewer."""
    if previewer is None:
        return torch.full((1, *x0.shape[-2:], 3), 0.5)
    image = previewer.decode_latent_to_preview_image(FORMAT, x0)[1]
    return torch.from_numpy(np.array(image.convert("RGB"))).float().div(255)[None]


def _to_pillow(image: Tensor) -> Image.Image:
    return Image.fromarray(image[0].mul(255).round().byte().numpy())
