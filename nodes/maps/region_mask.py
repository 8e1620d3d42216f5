"""From recorded maps to heat maps and soft masks of an image's own size."""

from collections.abc import Callable

import torch
from torch import Tensor

from ...attention import confidence, heat_map, resize, soft_mask
from ...attention.resizing import blur
from .recorded_maps import RecordedMaps, nothing_captured
from .region_spans import ROLES, names_of

SURE = 0.5
"""Contrast of a map that is sure of its place: a phrase is attended to three times as much inside as outside."""
NOWHERE = 0.1
"""Certainty below which a map knows no place: one that is even but for noise of a fifth of its height has as much."""
SMOOTHING = 1.0
"""Width of a mask's edge, in cells of 16 x 16 pixels."""


def phrases_of(maps: RecordedMaps, region: str) -> tuple[str, ...]:
    """Names of the phrases that make a region, "style", "object" or "both".

    Raises:
        AttentionError: none was captured.
    """
    if not maps.spans:
        raise nothing_captured()
    return names_of(maps.spans.values(), region)


def has_region(maps: RecordedMaps, region: str) -> bool:
    """Whether a map of the region's phrases is there already: a conditioning may come in at a later step."""
    return any(span.role in ROLES[region] for span in maps.spans.values())


def region_heat(maps: RecordedMaps, region: str, size: tuple[int, int]) -> Tensor:
    """Heat map of each image, [B, H, W] in 0..1; where phrases differ, the warmest."""
    return _of_images(maps, region, size, heat_map)


def region_mask(maps: RecordedMaps, region: str, size: tuple[int, int]) -> Tensor:
    """Soft mask of each image, [B, H, W]; its highest value, up to 1, says how sure the maps are."""
    return _of_images(maps, region, size, cell_mask)


def region_shape(maps: RecordedMaps, region: str, size: tuple[int, int]) -> Tensor:
    """The region of each image, [B, H, W]: 1 inside, however sure the maps are; empty where they know no place."""
    return _of_images(maps, region, size, cell_shape)


def cell_mask(cells: Tensor) -> Tensor:
    """The soft mask [h, w] of a map [h, w], as high as the map is sure of it."""
    return _soft(cells) * certainty(cells)


def cell_shape(cells: Tensor) -> Tensor:
    """The soft mask [h, w] of a map [h, w], as high as 1; it fades where the map is all but even."""
    return _soft(cells) * min(certainty(cells) / NOWHERE, 1.0)


def certainty(cells: Tensor) -> float:
    """How sure a map [h, w] is of its place, from 0 (even) to 1; smoothed like the mask, as noise has contrast, too."""
    return min(confidence(blur(cells, SMOOTHING)) / SURE, 1.0)


def to_image(cells: Tensor, latent: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """Maps [..., h, w], 2 x 2 latents a cell, as [..., *size]; where odd latents were padded, that is cut off."""
    padded = [round(2 * cells.shape[axis] * size[axis] / latent[axis]) for axis in (-2, -1)]
    return resize(cells, tuple(padded))[..., : size[0], : size[1]]


def _of_images(maps: RecordedMaps, region: str, size: tuple[int, int], read: Callable[[Tensor], Tensor]) -> Tensor:
    """What `read` makes of the maps [h, w] of each image, [B, *size]; of several phrases the highest."""
    names = phrases_of(maps, region)
    cells = [[read(maps.mean(image, name)) for name in names] for image in range(maps.images)]
    return to_image(torch.stack([torch.stack(phrases).amax(0) for phrases in cells]), maps.size, size)


def _soft(cells: Tensor) -> Tensor:
    return soft_mask(heat_map(cells), smoothing=SMOOTHING)
