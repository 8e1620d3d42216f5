"""Scores of an attention map against the mask of its object: attention inside, IoU, and the pointing game.

All functions take maps [..., h, w], not negative, and masks [..., h, w]: the share of each cell that the object
covers, 0 to 1. The leading dimensions broadcast. A score is NaN where its mask is empty; `torch.nanmean` leaves it out.
"""

import torch
from torch import Tensor

from .heat import heat_map, soft_mask


@torch.no_grad()
def share_inside(maps: Tensor, masks: Tensor) -> Tensor:
    """Share [...] of the attention that lies on the object, 0 to 1. A constant map scores the object's area."""
    maps, masks = torch.broadcast_tensors(maps, masks.to(maps))
    inside, total = (maps * masks).sum(dim=(-2, -1)), maps.sum(dim=(-2, -1))
    return _nan_where_empty(inside / total.clamp_min(torch.finfo(maps.dtype).tiny), masks)


@torch.no_grad()
def map_iou(maps: Tensor, masks: Tensor) -> Tensor:
    """Intersection over union [...] of the cells above Otsu's threshold and the object's cells.

    A constant map scores 0, because none of its cells is above the threshold.
    """
    maps, masks = torch.broadcast_tensors(maps, masks.to(maps))
    found, true = soft_mask(heat_map(maps), "otsu", smoothing=0) > 0.5, object_cells(masks)
    intersection, union = (found & true).sum(dim=(-2, -1)), (found | true).sum(dim=(-2, -1))
    return _nan_where_empty(intersection / union.clamp_min(1), masks)


@torch.no_grad()
def pointing(maps: Tensor, masks: Tensor) -> Tensor:
    """Pointing game [...]: 1 if the strongest cell is the object's, else 0; with ties, the share of the object's cells.

    Zhang et al., "Top-down Neural Attention by Excitation Backprop", 2016, without its tolerance in pixels.
    """
    maps, masks = torch.broadcast_tensors(maps, masks.to(maps))
    strongest = maps == maps.amax(dim=(-2, -1), keepdim=True)
    hits = (strongest & object_cells(masks)).sum(dim=(-2, -1))
    return _nan_where_empty(hits / strongest.sum(dim=(-2, -1)), masks)


def object_cells(masks: Tensor) -> Tensor:
    """The object's cells, bool [..., h, w]: covered at least half as much as the most covered cell."""
    return masks >= 0.5 * masks.amax(dim=(-2, -1), keepdim=True).clamp_max(1.0)


def _nan_where_empty(scores: Tensor, masks: Tensor) -> Tensor:
    return scores.masked_fill(masks.amax(dim=(-2, -1)) <= 0, torch.nan)
