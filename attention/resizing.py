"""Maps on another grid of cells: any size, odd ones too, and the mean of a map stays what it was."""

import torch
from torch import Tensor

from .errors import AttentionError


def resize(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Maps [..., h, w] on h x w cells of another number; exact means of areas, differentiable.

    A smaller axis takes the mean over each new cell's area, a larger one the mean of the line through the cells'
    middles. Both keep the mean of the map, and no value leaves the range of the old ones.

    Raises:
        AttentionError: a size below 1.
    """
    height, width = size
    if min(height, width) < 1:
        raise AttentionError(f"Maps cannot be brought to {height} x {width} cells; give a size of at least 1 x 1.")
    rows, columns = _areas(maps.shape[-2], height).to(maps), _areas(maps.shape[-1], width).to(maps)
    return rows @ maps @ columns.T


def _areas(cells: int, new: int) -> Tensor:
    """[new, cells] float64: how much of each old cell is in the mean over each new one."""
    edges = torch.linspace(0, cells, new + 1, dtype=torch.float64)[:, None]
    if new <= cells:
        filled = (edges - torch.arange(cells)).clamp(0, 1)  # of each old cell, left of an edge
    else:
        # Integral of a hat of width 2 over each middle; beyond the border the outermost cells go on.
        offset = (edges - torch.arange(-1, cells + 1) - 0.5).clamp(-1, 1)
        filled = torch.where(offset < 0, (1 + offset) ** 2 / 2, 1 - (1 - offset) ** 2 / 2)
        filled[:, 1] += filled[:, 0]
        filled[:, -2] += filled[:, -1]
        filled = filled[:, 1:-1]
    return filled.diff(dim=0) * (new / cells)


def blur(maps: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of [..., h, w]; `sigma` in cells, 0 leaves them as they are. Beyond the border nothing is."""
    if sigma <= 0:
        return maps
    return _gaussian(maps.shape[-2], sigma).to(maps) @ maps @ _gaussian(maps.shape[-1], sigma).to(maps).T


def _gaussian(cells: int, sigma: float) -> Tensor:
    """[cells, cells], each row a bell that sums to 1 within the picture."""
    places = torch.arange(cells, dtype=torch.float64)
    bell = (-((places[:, None] - places) ** 2) / (2 * sigma**2)).exp()
    return bell / bell.sum(dim=1, keepdim=True)
