"""Collapses a routed mixture of experts to one low-rank pair, which is exact: a style is constant for an image."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import StyleExpertError
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


FLOAT32_LIMIT = torch.finfo(torch.float32).max
"""The largest number in float32."""


def mixture(routing: Routing, config: ExpertConfig, scale: float) -> list[tuple[int, float]]:
    """List (expert, factor) of all experts in a layer's mixture, for a routing of batch 1; the shared one is `SHARED`.

    Paper (section 3.3): scale * (B_s A_s + sum_i w_i B_i A_i), scale = alpha / r.
    Release: the shared expert is first among the experts, but the weights are padded with a zero at the end. So each
    weight applies to the expert before its own, and the last expert gets none; scale = 16 // r.

    Args:
        routing: the chosen experts of the layer.
        config: configuration of the file.
        scale: factor of the layer's summed experts, `config.scale_at` its rank.
    """
    experts, weights = routing.indices[0].tolist(), routing.weights[0].tolist()
    if config.shared_rank:
        experts = [SHARED, *experts]
        if config.routing == "paper":
            weights = [1.0, *weights]
    # The release has one expert more than weights. `zip` drops the last expert, whose weight is 0.
    return [(expert, scale * weight) for expert, weight in zip(experts, weights, strict=False)]


def collapse(layer: str, parts: Sequence[tuple[float, Tensor, Tensor]]) -> LowRank:
    """Join (factor, A [r, in], B [out, r]) of any ranks and dtypes to one float32 pair: the sum of factor * B @ A.

    Args:
        layer: name of the layer, for the message.
        parts: the factor, A and B of each expert.

    Raises:
        StyleExpertError: the sum holds NaN, or a number that float32 cannot hold.
    """
    rank = sum(lora_a.shape[0] for _, lora_a, _ in parts)
    up = torch.empty(parts[0][2].shape[0], rank)
    down = torch.empty(rank, parts[0][1].shape[1])
    start = 0
    for factor, lora_a, lora_b in parts:
        rows = slice(start, start + lora_a.shape[0])
        # The copy converts to float32, so the factor is applied in float32. float8 has no product of its own.
        up[:, rows] = lora_b
        down[rows] = lora_a
        down[rows] *= factor
        start = rows.stop
    _require_representable(layer, up, down)
    return LowRank(up=up, down=down)


def largest(weight: Tensor) -> float:
    """The largest absolute number of a float32 tensor, in one pass; NaN if a number is NaN."""
    lowest, highest = (float(number) for number in weight.aminmax())
    return max(-lowest, highest)


def _require_representable(layer: str, up: Tensor, down: Tensor) -> None:
    """Requires that no number of up @ down can be NaN or larger than float32 allows."""
    limit = down.shape[0] * largest(up) * largest(down)
    if not limit <= FLOAT32_LIMIT:  # false for NaN, too
        raise StyleExpertError(
            f"The change of {layer} holds NaN or numbers that float32 cannot hold. Its alpha or the strength is wrong, "
            "or its training failed: lower the strength, or use another copy of the file."
        )
