"""Focus and Cover loss over the attention maps of several blocks."""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from ...attention import cover_loss, focus_loss
from .config import RegionObjective

BlockMaps = Mapping[str, Tensor]
"""Maps [B, S, h * w] by block name."""


def attention_losses(maps: BlockMaps, masks: Tensor, objective: RegionObjective) -> dict[str, Tensor]:
    """The losses "focus" and "cover", without those of weight 0.

    Paper: the mean map of the blocks (its equation of the style attention map) against the mask. Release: the map of
    each block and token on its own, and the mean of the losses; each span is a single token there.

    Args:
        maps: maps of the supervised blocks.
        masks: [B, S, h, w]; a map with an empty mask does not count.
        objective: the losses and what they supervise.
    """
    compared = [mean_map(maps)]
    losses = objective.losses
    if objective.each_token:
        compared, losses = list(maps.values()), replace(losses, over_spans="mean")
    functions = {"focus": (focus_loss, objective.focus_weight), "cover": (cover_loss, objective.cover_weight)}
    return {
        name: torch.stack([function(one.float(), masks.flatten(2), preset=losses) for one in compared]).mean()
        for name, (function, weight) in functions.items()
        if weight
    }


def joint_loss(flow: Tensor, attention: Mapping[str, Tensor], objective: RegionObjective) -> Tensor:
    """L = L_flow + lambda_f L_focus + lambda_c L_cover."""
    weights = {"focus": objective.focus_weight, "cover": objective.cover_weight}
    return flow + sum(weights[name] * loss for name, loss in attention.items())


def mean_map(maps: BlockMaps) -> Tensor:
    """Mean [B, S, h * w] over the blocks."""
    return torch.stack(list(maps.values())).mean(0)
