"""A routed mixture of experts as one low-rank pair: a style stays the same for a whole image."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .config import ExpertConfig
from .router import Routing

SHARED = -1
"""Index that stands for the shared expert."""


@dataclass(frozen=True)
class LowRank:
    """A change of one layer's weight: delta = up @ down.

    Attributes:
        up: [out, R].
        down: [R, in].
    """

    up: Tensor
    down: Tensor


def mixture(routing: Routing, config: ExpertConfig) -> list[tuple[int, float]]:
    """(expert, factor) of everything that takes part, for a routing of batch 1; the shared expert is `SHARED`.

    Paper (section 3.3): scale * (B_s A_s + sum_i w_i B_i A_i), scale = alpha / r.
    Release: the shared expert stands first among the experts while the weights are padded with a zero at the end, so
    each weight goes to the expert before its own and the last expert gets none; scale = 16 // r.
    """
    experts, weights = routing.indices[0].tolist(), routing.weights[0].tolist()
    if config.shared_rank:
        experts = [SHARED, *experts]
        if config.routing == "paper":
            weights = [1.0, *weights]
    # In the release the experts are one more than the weights: the last is left out, as its weight is 0.
    return [(expert, config.scale * weight) for expert, weight in zip(experts, weights, strict=False)]


def collapse(parts: Sequence[tuple[float, Tensor, Tensor]]) -> LowRank:
    """sum of factor * B @ A as one float32 pair, for (factor, A [r, in], B [out, r]) of any ranks and precision."""
    rank = sum(lora_a.shape[0] for _, lora_a, _ in parts)
    up = torch.empty(parts[0][2].shape[0], rank)
    down = torch.empty(rank, parts[0][1].shape[1])
    start = 0
    for factor, lora_a, lora_b in parts:
        rows = slice(start, start + lora_a.shape[0])
        # Each number is read once and written once, and so joined, brought to float32 and scaled.
        up[:, rows] = lora_b
        torch.mul(lora_a, torch.tensor([factor]), out=down[rows])
        start = rows.stop
    return LowRank(up=up, down=down)
