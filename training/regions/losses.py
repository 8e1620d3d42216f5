"""Focus and Cover loss over the maps of several blocks, which were never held as full matrices."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ...attention import cover_loss, focus_loss
from .config import RegionTrainConfig

Maps = Mapping[str, Tensor]
"""By block: [B, S, h * w]."""


def attention_losses(maps: Maps, masks: Tensor, config: RegionTrainConfig) -> dict[str, Tensor]:
    """ "focus" and "cover", each where it has a weight.

    Paper: one map, the mean of the blocks (its eq. of the style attention map), against the mask. Release: every block
    and token for itself, then the mean of the losses; a mention is a single token then.

    Args:
        maps: of the supervised blocks.
        masks: [B, S, h, w]; a map whose mask is empty does not count.
    """
    compared = [torch.stack(list(maps.values())).mean(0)]
    losses = config.losses
    if config.supervise == "every-map":
        compared, losses = list(maps.values()), replace(losses, over_spans="mean")
    functions = {"focus": (focus_loss, config.focus_weight), "cover": (cover_loss, config.cover_weight)}
    return {
        name: torch.stack([function(one.float(), masks.flatten(2), preset=losses) for one in compared]).mean()
        for name, (function, weight) in functions.items()
        if weight
    }


def joint_loss(flow: Tensor, attention: Mapping[str, Tensor], config: RegionTrainConfig) -> Tensor:
    """L = L_flow + lambda_f L_focus + lambda_c L_cover."""
    weights = {"focus": config.focus_weight, "cover": config.cover_weight}
    return flow + sum(weights[name] * loss for name, loss in attention.items())


@torch.no_grad()
def share_inside(maps: Sequence[Tensor], masks: Tensor) -> float:
    """How much of the attention lies on the objects, 0 to 1: maps [B, S, h * w], masks [B, S, h, w]."""
    masks = masks.flatten(2)
    mean = torch.stack(list(maps)).mean(0)
    shown = masks.sum(-1) > 0
    inside = (mean * masks).sum(-1) / mean.sum(-1).clamp_min(torch.finfo(mean.dtype).tiny)
    return inside[shown].mean().item()
