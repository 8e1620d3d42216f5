"""Collapses a routed mixture of experts to one low-rank pair, which is exact: a style is constant for an image."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .config import ExpertConfig
from .router import Routing

SHARED = -1
"""Index of the shared expert in a mixture."""


@dataclass(frozen=True)
class LowRank:
    """A low-rank change of one layer's weight: delta = up @ down.

    Attributes:
        up: [out, R].
        down: [R, in].
    """

    up: Tensor
    down: Tensor


def mixture(routing: Routing, config: ExpertConfig) -> list[tuple[int, float]]:
    """List (expert, factor) of all experts in the mixture, for a routing of batch 1; the shared expert is `SHARED`.

    Paper (section 3.3): scale * (B_s A_s + sum_i w_i B_i A_i), scale = alpha / r.
    Release: the shared expert is first among the experts, but the weights are padded with a zero at the end. So each
    weight applies to the expert before its own, and the last expert gets none; scale = 16 // r.
    """
    experts, weights = routing.indices[0].tolist(), routing.weights[0].tolist()
    if config.shared_rank:
        experts = [SHARED, *experts]
        if config.routing == "paper":
            weights = [1.0, *weights]
    # The release has one expert more than weights. `zip` drops the last expert, whose weight is 0.
    return [(expert, config.scale * weight) for expert, weight in zip(experts, weights, strict=False)]


def collapse(parts: Sequence[tuple[float, Tensor, Tensor]]) -> LowRank:
    """Join (factor, A [r, in], B [out, r]) of any ranks and dtypes to one float32 pair: the sum of factor * B @ A."""
    rank = sum(lora_a.shape[0] for _, lora_a, _ in parts)
    up = torch.empty(parts[0][2].shape[0], rank)
    down = torch.empty(rank, parts[0][1].shape[1])
    start = 0
    for factor, lora_a, lora_b in parts:
        rows = slice(start, start + lora_a.shape[0])
        # One pass over the numbers joins them, converts them to float32 and scales them.
        up[:, rows] = lora_b
        torch.mul(lora_a, torch.tensor([factor]), out=down[rows])
        start = rows.stop
    return LowRank(up=up, down=down)
