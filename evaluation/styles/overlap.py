"""Whether similar styles are sent to the same experts (StyleExpert: IoU 33.18 % against 10.60 %)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import comb
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ...dataset.triplets import Triplet
from ...moe import Router, StyleExpert
from ...training.style_encoder.vision import load_vision
from .embedding import embed_styles

SAME, SIMILAR, DISSIMILAR, CHANCE = "same style", "similar styles", "dissimilar styles", "chance"
CLOSEST, FARTHEST = 0.1, 0.5
"""Shares of the pairs of different styles that count as similar and as dissimilar."""
PAPER = {SIMILAR: 0.3318, DISSIMILAR: 0.1060}

CAPTION = (
    "Intersection over union of the chosen experts, a layer, averaged over layers and over pairs of style images. "
    "Same style: two images of one style. Similar and dissimilar: two styles on the same content (as in the paper), "
    f"the {CLOSEST:.0%} of pairs with the greatest and the {FARTHEST:.0%} with the least cosine of their style "
    "embeddings. Untrained: routers with random weights, for what follows from the embeddings alone. Chance: experts "
    "drawn at random."
)


@dataclass(frozen=True)
class Overlap:
    """Mean IoU over `pairs` pairs of images (0 of chance), and that of untrained routers where it was measured."""

    name: str
    pairs: int
    iou: float
    untrained: float | None = None


def measure_overlap(file: Path, triplets: Sequence[Triplet]) -> list[Overlap]:
    """Route the stylised image of every triplet, and compare what was chosen.

    Args:
        file: experts with their style encoder, which reads the demo pack's SigLIP.
        triplets: of styles and contents of any kind.

    Raises:
        TrainingError: the encoder does not fit the SigLIP.
    """
    expert, vision = StyleExpert.open(file), load_vision("tiny")
    images = {row.stylised: row for row in triplets}
    styles = embed_styles(expert, vision, list(images))
    names = [row.style for row in images.values()], [str(row.content) for row in images.values()]
    chosen = {layer: routing.indices for layer, routing in expert.route(styles).items()}
    trained, untrained = (
        compare(pairwise_overlap(indices, expert.config.num_experts), styles, *names)
        for indices in (chosen, untrained_choices(expert, styles))
    )
    found = [replace(row, untrained=other.iou) for row, other in zip(trained, untrained, strict=True)]
    return [*found, Overlap(CHANCE, 0, chance(expert.config.num_experts, expert.config.top_k))]


def untrained_choices(expert: StyleExpert, styles: Tensor) -> dict[str, Tensor]:
    """What routers with their first, random weights choose: [N, k] a layer. Near embeddings meet in these, too."""
    torch.manual_seed(0)
    sizes = {"num_experts": expert.config.num_experts, "cond_dim": expert.config.cond_dim}
    with torch.no_grad():
        return {layer: Router(**sizes, top_k=expert.config.top_k)(styles).indices for layer in expert.layers}


def pairwise_overlap(chosen: Mapping[str, Tensor], experts: int) -> Tensor:
    """IoU of every two rows of the chosen experts [N, k] of each layer, averaged over layers: [N, N]."""
    layers = []
    for indices in chosen.values():
        member = functional.one_hot(indices, experts).sum(1).float()  # [N, E]
        both = member @ member.T
        layers.append(both / (2 * indices.shape[1] - both))
    return torch.stack(layers).mean(0)


def compare(overlap: Tensor, embeddings: Tensor, styles: Sequence[str], contents: Sequence[str]) -> list[Overlap]:
    """Mean overlap of the three kinds of pairs; a kind without a pair is left out.

    Args:
        overlap: [N, N].
        embeddings: what the routers read, [N, C].
        styles, contents: of the N images.
    """
    first, second = np.triu_indices(len(styles), 1)
    style, content = np.array(styles), np.array(contents)
    same = style[first] == style[second]
    crossed = ~same & (content[first] == content[second])
    unit = functional.normalize(embeddings.float(), dim=-1)
    near = (unit @ unit.T).numpy()[first, second]
    iou = overlap.numpy()[first, second]
    by_cosine = np.flatnonzero(crossed)[np.argsort(near[crossed], kind="stable")]
    kinds = {
        SAME: np.flatnonzero(same),
        SIMILAR: by_cosine[len(by_cosine) - round(CLOSEST * len(by_cosine)) :],
        DISSIMILAR: by_cosine[: round(FARTHEST * len(by_cosine))],
    }
    return [Overlap(name, len(pairs), float(iou[pairs].mean())) for name, pairs in kinds.items() if len(pairs)]


def chance(experts: int, top_k: int) -> float:
    """Expected IoU of two random sets of k out of E experts."""
    sets = comb(experts, top_k)
    weights = {both: comb(top_k, both) * comb(experts - top_k, top_k - both) / sets for both in range(top_k + 1)}
    return sum(weight * both / (2 * top_k - both) for both, weight in weights.items())
