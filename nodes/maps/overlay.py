"""Chosen maps as images and masks, painted one at a time: there may be thousands of them."""

from collections.abc import Callable

import torch
from torch import Tensor

from ...attention import AttentionError
from .colour_maps import colours
from .map_selection import ChosenMap
from .region_mask import to_image

MOST_BYTES = 2**32
"""Every block at every step of a large image would be a film of many gigabytes; one of 7000 x 7000 is let through."""
BYTES_OF_ONE = 64
"""A pixel, while one image is painted, written below and saved: its heat, and copies of its colours."""
ROWS = 64
"""That are coloured at once: on its way from heat to colours a pixel takes ten times what it ends up with."""


def painted(
    chosen: list[ChosenMap],
    image: Tensor,
    latent: tuple[int, int],
    colour_map: str,
    opacity: float,
    before_each: Callable[[], None] = lambda: None,
) -> tuple[Tensor, Tensor]:
    """The images [N, H, W, 3] with heat maps over them, and the masks [N, H, W], of N maps.

    Args:
        chosen: the maps.
        image: [B or 1, H, W, C]: one for each image of the batch, or one for all.
        latent: (height, width) of the latents that the maps are of.
        colour_map: one of COLOUR_MAPS.
        opacity: of the heat map, 0 to 1.
        before_each: called before each image; what it raises ends the painting.

    Raises:
        AttentionError: they would take too much memory.
    """
    size = image.shape[1:3]
    _require_memory(len(chosen), *size, image.element_size())
    images, masks = image.new_empty(len(chosen), *size, 3), torch.empty(len(chosen), *size)
    for one, overlaid, mask in zip(chosen, images, masks, strict=True):
        before_each()
        mask.copy_(to_image(one.mask, latent, size))
        below, heat = image[one.image if len(image) > 1 else 0], to_image(one.heat, latent, size)
        for part, *parts in zip(*(rows.split(ROWS) for rows in (overlaid, below, heat)), strict=True):
            part.copy_(overlay(*(rows[None] for rows in parts), colour_map, opacity)[0])
    return images, masks


def overlay(images: Tensor, heat: Tensor, colour_map: str, opacity: float) -> Tensor:
    """Heat maps [N, H, W] laid over images [N or 1, H, W, C], as [N, H, W, 3] in 0..1."""
    return torch.lerp(rgb(images), colours(heat, colour_map).to(images), opacity)


def rgb(images: Tensor) -> Tensor:
    """Images [N, H, W, C] with three channels: transparency is left out, grey is repeated."""
    return images.expand(*images.shape[:3], 3) if images.shape[-1] == 1 else images[..., :3]


def _require_memory(count: int, height: int, width: int, element: int) -> None:
    results = count * (3 * element + torch.float32.itemsize)
    if (needed := height * width * (results + BYTES_OF_ONE)) > MOST_BYTES:
        raise AttentionError(
            f"{count} images of {width} x {height} would take {needed / 2**30:.1f} GB, and {MOST_BYTES / 2**30:.0f} "
            "are allowed; show fewer at once, with 'mean' for the steps or the blocks, or give a smaller image."
        )
