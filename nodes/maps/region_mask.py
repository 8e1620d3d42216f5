"""Turns recorded maps into heat maps and soft masks of the image's size."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from ...attention import contrast, heat_map, resize, soft_mask
from ..notice import Notice
from .recorded_maps import RecordedMaps, no_maps_error
from .region_spans import ROLES, names_in_region

FULL_CONTRAST = 0.5
"""Contrast from which a mask reaches 1: attention inside the region is three times that outside."""
MIN_CONTRAST = 0.05
"""Contrast below which a map shows no region. An even map with noise of 20 % of its height reaches this value."""
ABSENT_CONTRAST = 0.48
"""Highest contrast that the words of an absent object reach on the base model (docs/results-regions.md)."""
CLEAR_CONTRAST = 0.5
"""Contrast from which a mean map is clearly better than that of an absent object on the base model."""
SMOOTHING = 1.0
"""Width of a mask's edge, in cells of 16 x 16 pixels."""


def region_names(maps: RecordedMaps, region: str) -> tuple[str, ...]:
    """Names of the captured phrases that define a region, "style", "object" or "both".

    Raises:
        AttentionError: no such phrase was captured.
    """
    if not maps.spans:
        raise no_maps_error(maps)
    return names_in_region(maps.spans.values(), region)


def has_region(maps: RecordedMaps, region: str) -> bool:
    """Whether a map of the region's phrases exists so far. Some conditionings start at a later step."""
    return any(span.role in ROLES[region] for span in maps.spans.values())


def region_heat(maps: RecordedMaps, region: str, size: tuple[int, int]) -> Tensor:
    """Heat map of each image, [B, H, W] in 0..1; the maximum over the region's phrases."""
    return _per_image(maps, region, size, heat_map)


def region_mask(maps: RecordedMaps, region: str, size: tuple[int, int]) -> Tensor:
    """Soft mask of each image, [B, H, W] in 0..1, scaled by the contrast of the maps."""
    return _per_image(maps, region, size, cell_mask)


def unscaled_region_mask(maps: RecordedMaps, region: str, size: tuple[int, int]) -> Tensor:
    """Soft mask of each image, [B, H, W]: 1 inside at any contrast, but 0 everywhere if the map is even."""
    return _per_image(maps, region, size, _unscaled_cell_mask)


def cell_mask(cells: Tensor) -> Tensor:
    """The soft mask [h, w] of a map [h, w]. Its highest value is the contrast / FULL_CONTRAST, at most 1."""
    return _soft(cells) * min(map_contrast(cells) / FULL_CONTRAST, 1.0)


def map_contrast(cells: Tensor) -> float:
    """Contrast of a map [h, w] from 0 (even) to 1: (a - b) / (a + b) of the attention inside and outside the region.

    The map is smoothed like the mask, which removes noise.
    """
    return contrast(cells, SMOOTHING)


def region_contrasts(maps: RecordedMaps, region: str) -> list[float]:
    """The contrast of each image's mean map: the highest of the region's phrases."""
    names = region_names(maps, region)
    return [max(map_contrast(maps.mean(image, name)) for name in names) for image in range(maps.images)]


def weak_map_notice(contrasts: Iterable[float]) -> Notice | None:
    """A warning if a mean map is not clearly better than that of an absent object; None otherwise."""
    weakest = min(contrasts, default=1.0)
    if weakest >= CLEAR_CONTRAST:
        return None
    return Notice(
        f"Weak map: contrast {weakest:.2f}; absent objects reach {ABSENT_CONTRAST:.2f}.",
        f"The attention map has a contrast of {weakest:.2f} only. Words for an object that is not in the image reach "
        f"{ABSENT_CONTRAST:.2f}, so the map may show no region. Check it, name another object, or use a region expert.",
    )


def to_image_size(cells: Tensor, latent: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """Resizes maps [..., h, w] to [..., *size]. A cell is 2 x 2 latents; the padding of odd latents is cut off."""
    height, width = (round(2 * cells.shape[axis] * size[axis] / latent[axis]) for axis in (-2, -1))
    return resize(cells, (height, width))[..., : size[0], : size[1]]


def _per_image(maps: RecordedMaps, region: str, size: tuple[int, int], convert: Callable[[Tensor], Tensor]) -> Tensor:
    """Applies `convert` to the mean map [h, w] of each phrase, and takes the maximum over phrases: [B, *size]."""
    names = region_names(maps, region)
    cells = [[convert(maps.mean(image, name)) for name in names] for image in range(maps.images)]
    return to_image_size(torch.stack([torch.stack(phrases).amax(0) for phrases in cells]), maps.size, size)


def _unscaled_cell_mask(cells: Tensor) -> Tensor:
    return _soft(cells) * min(map_contrast(cells) / MIN_CONTRAST, 1.0)


def _soft(cells: Tensor) -> Tensor:
    return soft_mask(heat_map(cells), smoothing=SMOOTHING)
