"""From recorded maps to heat maps and soft masks of a picture's own size."""

import torch
from torch import Tensor

from ..attention import confidence, heat_map, resize, soft_mask
from ..attention.resizing import blur
from .recorded_maps import RecordedMaps, nothing_captured
from .region_spans import ROLES, names_of

SURE = 0.5
"""Contrast of a map that is sure of its place: a phrase is attended to three times as much inside as outside."""
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
    """Heat map of each picture, [B, H, W] in 0..1; where phrases differ, the warmest."""
    names = phrases_of(maps, region)
    cells = [torch.stack([heat_map(maps.mean(picture, name)) for name in names]).amax(0) for picture in _all(maps)]
    return to_picture(torch.stack(cells), maps.size, size)


def region_mask(maps: RecordedMaps, region: str, size: tuple[int, int]) -> Tensor:
    """Soft mask of each picture, [B, H, W]; its highest value, up to 1, says how sure the maps are."""
    names = phrases_of(maps, region)
    cells = [torch.stack([cell_mask(maps.mean(picture, name)) for name in names]).amax(0) for picture in _all(maps)]
    return to_picture(torch.stack(cells), maps.size, size)


def cell_mask(cells: Tensor) -> Tensor:
    """The soft mask [h, w] of a map [h, w], as high as the map is sure of it."""
    return soft_mask(heat_map(cells), smoothing=SMOOTHING) * certainty(cells)


def certainty(cells: Tensor) -> float:
    """How sure a map [h, w] is of its place, from 0 (even) to 1; smoothed like the mask, as noise has contrast, too."""
    return min(confidence(blur(cells, SMOOTHING)) / SURE, 1.0)


def to_picture(cells: Tensor, latent: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """Maps [..., h, w], 2 x 2 latents a cell, as [..., *size]; where odd latents were padded, that is cut off."""
    padded = [round(2 * cells.shape[axis] * size[axis] / latent[axis]) for axis in (-2, -1)]
    return resize(cells, tuple(padded))[..., : size[0], : size[1]]


def _all(maps: RecordedMaps) -> range:
    return range(maps.pictures)
