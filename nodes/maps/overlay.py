"""Lays heat maps over images, one at a time, because a run may have thousands of maps."""

from collections.abc import Callable

import torch
from torch import Tensor

from ...attention import AttentionError
from .colour_maps import colours
from .map_selection import ChosenMap
from .region_mask import to_image_size

MAX_BYTES = 2**32
"""Limit for all overlays of one run, in bytes. It allows one image of 7000 x 7000 pixels."""
TEMPORARY_BYTES_PER_PIXEL = 64
"""Peak temporary bytes per pixel while one overlay is made, captioned and saved."""
ROWS_AT_ONCE = 64
"""Rows of pixels that are coloured at once. Colouring a pixel takes ten times the memory of the result."""


def overlay_maps(
    chosen: list[ChosenMap],
    image: Tensor,
    latent: tuple[int, int],
    colour_map: str,
    opacity: float,
    before_each: Callable[[], None] = lambda: None,
) -> tuple[Tensor, Tensor]:
    """N images with heat maps over them, [N, H, W, 3], and N masks, [N, H, W].

    Args:
        chosen: N maps.
        image: [B or 1, H, W, C]: one for each image of the batch, or one for all.
        latent: (height, width) of the latents that the maps belong to.
        colour_map: a key of COLOUR_MAPS.
        opacity: opacity of the heat map, 0 to 1.
        before_each: called before each overlay; an exception from it stops the work.

    Raises:
        AttentionError: the overlays need more than MAX_BYTES.
    """
    size = image.shape[1], image.shape[2]
    _require_memory(len(chosen), *size, image.element_size())
    images, masks = image.new_empty(len(chosen), *size, 3), torch.empty(len(chosen), *size)
    for one, overlaid, mask in zip(chosen, images, masks, strict=True):
        before_each()
        mask.copy_(to_image_size(one.mask, latent, size))
        heat = to_image_size(one.heat, latent, size)
        background = image[one.image if len(image) > 1 else 0]
        for start in range(0, size[0], ROWS_AT_ONCE):
            rows = slice(start, start + ROWS_AT_ONCE)
            overlaid[rows] = overlay_heat(background[None, rows], heat[None, rows], colour_map, opacity)[0]
    return images, masks


def overlay_heat(images: Tensor, heat: Tensor, colour_map: str, opacity: float) -> Tensor:
    """Lays heat maps [N, H, W] over images [N or 1, H, W, C]: [N, H, W, 3] in 0..1."""
    return torch.lerp(to_rgb(images), colours(heat, colour_map).to(images), opacity)


def to_rgb(images: Tensor) -> Tensor:
    """Images [N, H, W, C] with three channels: alpha is dropped, grey is repeated."""
    return images.expand(*images.shape[:3], 3) if images.shape[-1] == 1 else images[..., :3]


def _require_memory(count: int, height: int, width: int, bytes_per_value: int) -> None:
    results = count * (3 * bytes_per_value + torch.float32.itemsize)  # bytes per pixel: N RGB images and N masks
    if (needed := height * width * (results + TEMPORARY_BYTES_PER_PIXEL)) > MAX_BYTES:
        raise AttentionError(
            f"{count} images of {width} x {height} need {needed / 2**30:.1f} GB, but the limit is "
            f"{MAX_BYTES / 2**30:.0f} GB. Choose 'mean' for the steps or the blocks, or connect a smaller image."
        )
