"""Heat maps, soft masks and a contrast, computed from attention maps."""

from typing import Literal

import torch
from torch import Tensor

from ..errors import AttentionError
from ..plain_text import quoted
from .resizing import blur


def heat_map(maps: Tensor) -> Tensor:
    """Scale each map [..., h, w] to the range 0 to 1; a constant map becomes 0 everywhere."""
    low, high = maps.amin(dim=(-2, -1), keepdim=True), maps.amax(dim=(-2, -1), keepdim=True)
    return (maps - low) / (high - low).clamp_min(torch.finfo(maps.dtype).tiny)


def soft_mask(heat: Tensor, threshold: Literal["otsu"] | float = "otsu", smoothing: float = 1.0) -> Tensor:
    """Mask [..., h, w] from 0 to 1: cells above the threshold are 1, and a soft edge surrounds them.

    Args:
        heat: [..., h, w].
        threshold: "otsu" (see `otsu`), or a quantile: 0.8 keeps the top 20 % of cells. Unless the map is constant,
            the strongest cell is always kept.
        smoothing: sigma, in cells, of the blur before the threshold and of the edge after it; 0 gives hard edges.

    Raises:
        AttentionError: the threshold is neither "otsu" nor a quantile, or the smoothing is negative.
    """
    smooth = blur(heat, smoothing)
    above = (smooth > _level(smooth, threshold)[..., None, None]).to(heat.dtype)
    # A blurred small object would be below 1 everywhere, so its cells stay 1. The edge outside starts at 0.5.
    return torch.maximum(above, (1.5 * blur(above, smoothing)).clamp(0, 0.5))


def contrast(values: Tensor, smoothing: float = 0.0) -> float:
    """Contrast (a - b) / (a + b) of a map [h, w], from 0 (constant map) to 1.

    a is the mean attention above Otsu's threshold, b the mean below it. At 0.5 the attention inside the region is three
    times that outside. A contrast does not prove that the object exists: the words of an absent object have one too.

    Args:
        values: [h, w].
        smoothing: sigma, in cells, of a blur before the threshold, which removes noise; 0 for none.
    """
    values = blur(values, smoothing)
    above = values > otsu(values)
    if not above.any():
        return 0.0
    inside, outside = values[above].mean().item(), values[~above].mean().item()
    return (inside - outside) / (inside + outside)


confidence = contrast
"""The name of `contrast` in version 0.1."""


def otsu(values: Tensor) -> Tensor:
    """Otsu's threshold [...] of maps [..., h, w], which maximises the variance between the cells above and below it.

    It is exact: it uses the values themselves instead of a histogram. A value equal to the threshold belongs to the
    lower group, so a constant map has no cell above it. It runs on the CPU, because Apple's devices have no float64.
    """
    ordered = values.flatten(-2).cpu().double().sort(dim=-1).values
    cells = ordered.shape[-1]
    count = torch.arange(1, cells + 1, dtype=torch.float64)  # cells in the lower group
    lower, total = ordered.cumsum(dim=-1), ordered.sum(dim=-1, keepdim=True)
    # The variance between the groups, times the squared number of cells.
    between = (total * count / cells - lower).square() * cells / (count * (cells - count)).clamp_min(1)
    between[..., -1] = 0  # the upper group is empty
    return ordered.gather(-1, between.argmax(dim=-1, keepdim=True)).squeeze(-1).to(values)


def _level(heat: Tensor, threshold: Literal["otsu"] | float) -> Tensor:
    """The threshold [...] of maps [..., h, w]: cells above it are kept."""
    if threshold == "otsu":
        return otsu(heat)
    if not isinstance(threshold, (int, float)) or not 0 <= threshold <= 1:
        raise AttentionError(f'The threshold is {quoted(threshold)}, expected "otsu" or a quantile from 0 to 1.')
    ordered = heat.flatten(-2).sort(dim=-1).values  # Apple's devices have no `kthvalue`
    level, low, high = ordered[..., round(threshold * (ordered.shape[-1] - 1))], ordered[..., :1], ordered[..., -1:]
    # If many cells tie for the strongest, the quantile may equal their value, and no cell would be above it.
    return level.minimum(ordered.where(ordered < high, low).amax(dim=-1))
