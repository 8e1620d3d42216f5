"""Resizes maps to any other grid of cells, odd sizes too, without changing their mean, and blurs them."""

import torch
from torch import Tensor

from ..errors import AttentionError


def resize(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize maps [..., h, w] to `size` cells, (height, width); differentiable. Integer or bool masks give float32.

    A new cell gets the mean over its own area. An axis that shrinks averages the old cells; an axis that grows
    interpolates linearly between their centres. Both keep the map's mean and its range of values.

    Raises:
        AttentionError: a size is below 1.
    """
    height, width = size
    if min(height, width) < 1:
        raise AttentionError(f"The new size is {height} x {width} cells, expected at least 1 x 1.")
    if not maps.is_floating_point():
        maps = maps.float()
    return _between(_shares(maps.shape[-2], height), maps, _shares(maps.shape[-1], width))


def blur(maps: Tensor, sigma: float) -> Tensor:
    """Blur maps [..., h, w] with a Gaussian. At a border the weights of the cells inside the map are normalised.

    Args:
        sigma: width of the Gaussian in cells; 0 changes nothing.

    Raises:
        AttentionError: `sigma` is negative.
    """
    if sigma < 0:
        raise AttentionError(f"The smoothing is {sigma} cells, expected 0 or more.")
    if sigma == 0:
        return maps
    return _between(_gaussians(maps.shape[-2], sigma), maps, _gaussians(maps.shape[-1], sigma))


def _between(rows: Tensor, maps: Tensor, columns: Tensor) -> Tensor:
    """rows @ maps @ columns.T for float64 matrices on the CPU."""
    # The dtype changes before the device: Apple's devices have no float64.
    rows, columns = (matrix.to(maps.dtype).to(maps.device) for matrix in (rows, columns))
    return rows @ maps @ columns.T


def _shares(old: int, new: int) -> Tensor:
    """Share of each old cell in each new cell, [new, old] float64; rows sum to 1, columns to new / old."""
    edges = torch.linspace(0, old, new + 1, dtype=torch.float64)[:, None]
    before = _box_before(edges, old) if new <= old else _hat_before(edges, old)
    return before.diff(dim=0) * (new / old)


def _box_before(edges: Tensor, cells: int) -> Tensor:
    """Share of each cell that lies before each edge, [edges, cells]."""
    return (edges - torch.arange(cells)).clamp(0, 1)


def _hat_before(edges: Tensor, cells: int) -> Tensor:
    """Like `_box_before`, for the hat function of linear interpolation: 2 cells wide, centred on the cell."""
    distance = (edges - torch.arange(-1, cells + 1) - 0.5).clamp(-1, 1)
    before = torch.where(distance < 0, (1 + distance) ** 2 / 2, 1 - (1 - distance) ** 2 / 2)
    # Beyond a border the outermost cell's value continues, so the hats of the cells outside are added to that cell.
    before[:, 1] += before[:, 0]
    before[:, -2] += before[:, -1]
    return before[:, 1:-1]


def _gaussians(cells: int, sigma: float) -> Tensor:
    """Gaussian weights around each cell, [cells, cells] float64; each row sums to 1."""
    positions = torch.arange(cells, dtype=torch.float64)
    weights = (-(((positions[:, None] - positions) / sigma) ** 2) / 2).exp()
    return weights / weights.sum(dim=1, keepdim=True)
