"""Shows the growing heat map over a sampler's live preview."""

import logging
from collections.abc import Callable

import comfy.utils
import latent_preview
import numpy as np
import torch
from comfy.model_management import InterruptProcessingException
from comfy.model_patcher import ModelPatcher
from PIL import Image
from torch import Tensor

from ..model_wrappers import wrap_sampler
from .overlay import overlay_heat
from .recorded_maps import RecordedMaps
from .region_mask import has_region, region_heat

OPACITY, COLOUR_MAP = 0.5, "fire"
FORMAT = "JPEG"

Callback = Callable[[int, Tensor, Tensor, int], None]
"""A sampler's callback after a step: step, x0, x, number of steps."""


def with_heat_preview(model: ModelPatcher, maps: RecordedMaps, region: str) -> ModelPatcher:
    """A clone of `model` whose sampler shows the heat map of `region` in its preview."""

    def around_sampler(executor, model_wrap, sigmas, extra_args, callback, *rest, **named):
        preview = heat_callback(model, maps, region, len(sigmas) - 1)
        return executor(model_wrap, sigmas, extra_args, preview, *rest, **named)

    clone = model.clone()
    wrap_sampler(clone, "preview", around_sampler)
    return clone


def heat_callback(model: ModelPatcher, maps: RecordedMaps, region: str, steps: int) -> Callback:
    """A callback that reports progress and shows the preview. If ComfyUI's previews are off, it shows heat only.

    A preview that fails never ends the sampling: the log names the reason once, and the progress goes on.
    """
    previewer = latent_preview.get_previewer(model.load_device, model.model.latent_format)
    progress, failed = comfy.utils.ProgressBar(steps), False

    def callback(step: int, x0: Tensor, x: Tensor, total: int) -> None:
        nonlocal failed
        image = None
        try:
            image = None if failed else _heat_over_preview(previewer, x0, maps, region)
        except InterruptProcessingException:
            raise
        except Exception as error:  # previewers of other packs may raise anything
            failed = True
            logging.warning(f"The heat preview stops, but the sampling goes on: {error}")
        shown = image and (FORMAT, image, latent_preview.MAX_PREVIEW_RESOLUTION)
        progress.update_absolute(step + 1, total, shown)

    return callback


def _heat_over_preview(
    previewer: latent_preview.LatentPreviewer | None, x0: Tensor, maps: RecordedMaps, region: str
) -> Image.Image:
    """The preview of the first image, with the region's heat map over it if there is one."""
    image = _preview(previewer, x0)
    if has_region(maps, region):
        heat = region_heat(maps, region, (image.shape[1], image.shape[2]))[:1]
        image = overlay_heat(image, heat, COLOUR_MAP, OPACITY if previewer else 1.0)
    return _to_pillow(image)


def _preview(previewer: latent_preview.LatentPreviewer | None, x0: Tensor) -> Tensor:
    """Preview of the batch's first image, [1, H, W, 3] in 0..1; grey without a previewer."""
    if previewer is None:
        return torch.full((1, *x0.shape[-2:], 3), 0.5)
    image = previewer.decode_latent_to_preview_image(FORMAT, x0)[1]
    # ComfyUI's abstract base class has no return value; its previewers return a Pillow image.
    rgb = image.convert("RGB")  # pyright: ignore[reportAttributeAccessIssue]
    return torch.from_numpy(np.array(rgb)).float().div(255)[None]


def _to_pillow(image: Tensor) -> Image.Image:
    return Image.fromarray(image[0].mul(255).round().byte().numpy())
