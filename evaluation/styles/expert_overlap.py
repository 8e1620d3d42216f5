"""Measures whether similar styles choose the same experts (StyleExpert: IoU 33.18 % against 10.60 %)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ...moe import Router, StyleExpert
from ..metrics import chance_overlap, expert_overlap
from .routed_styles import RoutedStyles

SAME, SIMILAR, DISSIMILAR, CHANCE = "same style", "similar styles", "dissimilar styles", "chance"
CLOSEST, FARTHEST = 0.1, 0.5
"""Shares of the pairs of different styles that count as similar and as dissimilar."""
PAPER = {SIMILAR: 0.3318, DISSIMILAR: 0.1060}
"""The paper's IoU."""

DEFINITION = (
    "IoU: intersection over union of the chosen experts in a layer, averaged over layers and over pairs of style "
    "images. Same style: two images of one style. Similar and dissimilar: two styles on the same content (as in the "
    f"paper); the {CLOSEST:.0%} of these pairs with the largest and the {FARTHEST:.0%} with the smallest cosine of "
    "their style embeddings. Untrained routers: routers with random weights show what follows from the embeddings "
    "alone. Chance: random experts."
)


@dataclass(frozen=True)
class ExpertOverlap:
    """Mean IoU of the experts that pairs of style images choose.

    Attributes:
        name: the kind of pairs.
        pairs: number of pairs; 0 for chance.
        iou: IoU of the trained routers, 0 to 1.
        untrained_iou: IoU of untrained routers; None if not measured.
    """

    name: str
    pairs: int
    iou: float
    untrained_iou: float | None = None


def measure_overlap(routed: RoutedStyles) -> list[ExpertOverlap]:
    """Compare the experts that all pairs of style images choose."""
    expert, styles, chosen = routed.expert, routed.embeddings, routed.chosen
    names = [row.style for row in routed.triplets], [str(row.content) for row in routed.triplets]
    trained, untrained = (
        compare_pairs(expert_overlap(indices, expert.config.num_experts), styles, *names)
        for indices in (chosen, untrained_choices(expert, styles))
    )
    measured = [replace(row, untrained_iou=other.iou) for row, other in zip(trained, untrained, strict=True)]
    return [*measured, ExpertOverlap(CHANCE, 0, chance_overlap(expert.config.num_experts, expert.config.top_k))]


def untrained_choices(expert: StyleExpert, styles: Tensor) -> dict[str, Tensor]:
    """The experts [N, k] that routers with random weights choose in each layer. They also group similar embeddings."""
    torch.manual_seed(0)
    sizes = {"num_experts": expert.config.num_experts, "cond_dim": expert.config.cond_dim}
    with torch.no_grad():
        return {layer: Router(**sizes, top_k=expert.config.top_k)(styles).indices for layer in expert.layers}


def compare_pairs(
    iou: Tensor, embeddings: Tensor, styles: Sequence[str], contents: Sequence[str]
) -> list[ExpertOverlap]:
    """Mean IoU of the three kinds of pairs; a kind without a pair is left out.

    Args:
        iou: [N, N].
        embeddings: style embeddings [N, C], the routers' input.
        styles: style names of the N images.
        contents: content names of the N images.
    """
    first, second = np.triu_indices(len(styles), 1)
    style, content = np.array(styles), np.array(contents)
    same = style[first] == style[second]
    crossed = ~same & (content[first] == content[second])
    unit = functional.normalize(embeddings.float(), dim=-1)
    cosines = (unit @ unit.T).numpy()[first, second]
    pair_iou = iou.numpy()[first, second]
    by_cosine = np.flatnonzero(crossed)[np.argsort(cosines[crossed], kind="stable")]
    kinds = {
        SAME: np.flatnonzero(same),
        SIMILAR: by_cosine[len(by_cosine) - round(CLOSEST * len(by_cosine)) :],
        DISSIMILAR: by_cosine[: round(FARTHEST * len(by_cosine))],
    }
    return [
        ExpertOverlap(name, len(pairs), float(pair_iou[pairs].mean())) for name, pairs in kinds.items() if len(pairs)
    ]
