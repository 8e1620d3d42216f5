"""From maps to what is shown and used: heat maps, soft masks, and how sure a map is."""

from typing import Literal

import torch
from torch import Tensor

from ..errors import AttentionError
from .resizing import blur


def heat_map(maps: Tensor) -> Tensor:
    """Maps [..., h, w] from 0, their least, to 1, their most; an even map is 0 everywhere."""
    low, high = maps.amin(dim=(-2, -1), keepdim=True), maps.amax(dim=(-2, -1), keepdim=True)
    return (maps - low) / (high - low).clamp_min(torch.finfo(maps.dtype).tiny)


def soft_mask(heat: Tensor, threshold: Literal["otsu"] | float = "otsu", smoothing: float = 1.0) -> Tensor:
    """What is above the threshold, however small, is 1; its soft edge lies around it: [..., h, w] from 0 to 1.

    Args:
        heat: [..., h, w].
        threshold: "otsu", which parts the cells into the two groups that differ most; or a quantile: 0.8 keeps the
            upper fifth of them, and of a map that is not even always the strongest.
        smoothing: sigma in cells of the blur before the threshold, and of the edge after it; 0: hard edges.

    Raises:
        AttentionError: another threshold, or a negative smoothing.
    """
    smooth = blur(heat, smoothing)
    above = (smooth > _level(smooth, threshold)[..., None, None]).to(heat.dtype)
    # Blurred alone, a small object would nowhere be 1. The edge around it begins at a half: above that is the object.
    return torch.maximum(above, (1.5 * blur(above, smoothing)).clamp(0, 0.5))


def confidence(values: Tensor) -> float:
    """How sure a map [h, w] is of its object, from 0 (even) to 1.

    The contrast (a - b) / (a + b) of the mean attention a above Otsu's threshold and b below it.
    """
    above = values > otsu(values)
    if not above.any():
        return 0.0
    inside, outside = values[above].mean().item(), values[~above].mean().item()
    return (inside - outside) / (inside + outside)


def otsu(values: Tensor) -> Tensor:
    """Otsu's threshold [...] of maps [..., h, w]: the two groups that it parts have the largest variance between them.

    Exact, over the values themselves instead of a histogram. A value on the threshold belongs below it, so that nothing
    lies above that of an even map.
    """
    ordered = values.flatten(-2).double().sort(dim=-1).values
    cells = ordered.shape[-1]
    count = torch.arange(1, cells + 1, dtype=torch.float64, device=values.device)  # of the lower group
    lower, total = ordered.cumsum(dim=-1), ordered.sum(dim=-1, keepdim=True)
    # Variance between the groups, times the number of cells squared.
    between = (total * count / cells - lower).square() * cells / (count * (cells - count)).clamp_min(1)
    between[..., -1] = 0  # an empty upper group
    return ordered.gather(-1, between.argmax(dim=-1, keepdim=True)).squeeze(-1).to(values.dtype)


def _level(heat: Tensor, threshold: Literal["otsu"] | float) -> Tensor:
    """The value [...] above which cells of [..., h, w] are kept."""
    if threshold == "otsu":
        return otsu(heat)
    if not isinstance(threshold, (int, float)) or not 0 <= threshold <= 1:
        raise AttentionError(f'The threshold is {threshold!r}; expected "otsu" or a quantile from 0 to 1.')
    cells = heat.flatten(-2)
    level = cells.kthvalue(1 + round(threshold * (cells.shape[-1] - 1)), dim=-1).values
    low, high = cells.aminmax(dim=-1, keepdim=True)
    # Where many cells are the strongest alike, the quantile may be their own value, and nothing lies above it.
    return level.minimum(cells.where(cells < high, low).amax(dim=-1))
