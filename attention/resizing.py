"""Maps on another grid of cells: of any size, odd ones too, and the mean of a map stays what it was."""

import torch
from torch import Tensor

from ..errors import AttentionError


def resize(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Maps [..., h, w] on `size` cells, (height, width); differentiable. Masks of whole numbers or bools give float32.

    A new cell gets the mean over its own area: of the old cells as they are where the axis shrinks, of straight lines
    between their middles where it grows. Either way the mean of the map is kept, and no value leaves their range.

    Raises:
        AttentionError: a size below 1.
    """
    height, width = size
    if min(height, width) < 1:
        raise AttentionError(f"Maps cannot be brought to {height} x {width} cells; give a size of at least 1 x 1.")
    if not maps.is_floating_point():
        maps = maps.float()
    rows, columns = _shares(maps.shape[-2], height), _shares(maps.shape[-1], width)
    return rows.to(maps) @ maps @ columns.to(maps).T


def blur(maps: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of [..., h, w]; `sigma` in cells, 0 changes nothing. At a border only the cells within count.

    Raises:
        AttentionError: `sigma` is negative.
    """
    if sigma < 0:
        raise AttentionError(f"The smoothing is {sigma} cells; expected 0 or more.")
    if sigma == 0:
        return maps
    return _bells(maps.shape[-2], sigma).to(maps) @ maps @ _bells(maps.shape[-1], sigma).to(maps).T


def _shares(old: int, new: int) -> Tensor:
    """[new, old] float64: the share of each old cell in each new one; rows sum to 1, columns to new / old."""
    edges = torch.linspace(0, old, new + 1, dtype=torch.float64)[:, None]
    before = _box_before(edges, old) if new <= old else _hat_before(edges, old)
    return before.diff(dim=0) * (new / old)


def _box_before(edges: Tensor, cells: int) -> Tensor:
    """How much of each cell lies before an edge, [edges, cells]."""
    return (edges - torch.arange(cells)).clamp(0, 1)


def _hat_before(edges: Tensor, cells: int) -> Tensor:
    """As `_box_before`, of a hat of width 2 over each cell's middle, which linear interpolation gives the cell."""
    distance = (edges - torch.arange(-1, cells + 1) - 0.5).clamp(-1, 1)
    before = torch.where(distance < 0, (1 + distance) ** 2 / 2, 1 - (1 - distance) ** 2 / 2)
    # The hats of the neighbours beyond both borders belong to the outermost cells, which go on there unchanged.
    before[:, 1] += before[:, 0]
    before[:, -2] += before[:, -1]
    return before[:, 1:-1]


def _bells(cells: int, sigma: float) -> Tensor:
    """[cells, cells] float64: a Gaussian around each cell, each row of sum 1."""
    places = torch.arange(cells, dtype=torch.float64)
    bells = (-(((places[:, None] - places) / sigma) ** 2) / 2).exp()
    return bells / bells.sum(dim=1, keepdim=True)
