"""What rules for mixing styles do to the routing: length of the mix, clearness of the choice, and experts kept."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from math import pi

import numpy as np
import torch
from PIL import Image
from rich.table import Table
from torch import Tensor
from torch.nn import functional

from ...dataset.photos import load_photos
from ...dataset.teacher import STYLE_NAMES, stylise
from ...moe import StyleExpert
from ...moe.mixing import mix_pair
from ...moe.siglip import encode_images, load_siglip
from ...paths import TINY_MODELS
from ..images import fit_square

AMOUNTS = (0.0, 0.25, 0.5, 1.5, 2.0)
"""Weights of the second style. For 1.5 and 2 the result moves away from the first style."""
Rule = Callable[[Tensor, Tensor, float], Tensor]


@dataclass(frozen=True)
class MixingRow:
    """Means over all pairs of styles.

    Attributes:
        amount: weight of the second style.
        rule: name of the rule.
        length: length of the mixed embedding.
        first_weight: softmax weight of the best expert, over all layers.
        kept: routed weight on experts that one of the two styles alone is routed to.
    """

    amount: float
    rule: str
    length: float
    first_weight: float
    kept: float


def straight_line(first: Tensor, second: Tensor, amount: float) -> Tensor:
    """(1 - amount) first + amount second, the plain mean at 0.5."""
    return (1 - amount) * first + amount * second


def great_circle(first: Tensor, second: Tensor, amount: float) -> Tensor:
    """The point on the great circle, also beyond the ends, with the length between both."""
    lengths = [style.norm(dim=-1, keepdim=True) for style in (first, second)]
    one, other = first / lengths[0], second / lengths[1]
    angle = (one * other).sum(-1, keepdim=True).clamp(-1, 1).arccos()
    direction = (torch.sin((1 - amount) * angle) * one + torch.sin(amount * angle) * other) / torch.sin(angle)
    return direction * ((1 - amount) * lengths[0] + amount * lengths[1])


RULES: dict[str, Rule] = {"straight line": straight_line, "great circle": great_circle, "Mix Styles": mix_pair}


@dataclass(frozen=True)
class MixingEvaluation:
    """The rows, and what they were measured on."""

    rows: list[MixingRow]
    pairs: int
    degrees: float

    def table(self) -> Table:
        """The rows as a table for a terminal."""
        table = Table(
            "weight of style 2", "rule", "length", "first expert's weight", "kept",
            title=f"Routing of mixed styles: {self.pairs} pairs, {self.degrees:.0f} degrees apart on average",
        )  # fmt: skip
        for row in self.rows:
            numbers = f"{row.length:.1f}", f"{row.first_weight:.2f}", f"{row.kept:.2f}"
            table.add_row(f"{row.amount:g}", row.rule, *numbers)
        return table


def evaluate_mixing(expert: StyleExpert, embeddings: Tensor) -> MixingEvaluation:
    """Route the mixes of all pairs of `embeddings` [N, cond_dim] by every rule."""
    pairs = torch.tensor(list(combinations(range(len(embeddings)), 2)))
    first, second = embeddings[pairs[:, 0]], embeddings[pairs[:, 1]]
    own = (_routed_weights(expert, first) > 0) | (_routed_weights(expert, second) > 0)
    rows = []
    for amount in AMOUNTS:
        for name, rule in RULES.items():
            mixed = rule(first, second, amount)
            weights = _routed_weights(expert, mixed)
            kept = (weights * own).sum(-1).mean()
            first_weight = weights.max(dim=-1).values.mean()
            length = mixed.norm(dim=-1).mean()
            rows.append(MixingRow(amount, name, *(number.item() for number in (length, first_weight, kept))))
    angles = functional.cosine_similarity(first, second).clamp(-1, 1).arccos()
    return MixingEvaluation(rows, len(pairs), angles.mean().item() * 180 / pi)


def embed_styles(expert: StyleExpert) -> Tensor:
    """Embeddings [N, cond_dim] of one test photo in all of the teacher's styles."""
    photo = np.asarray(fit_square(Image.fromarray(load_photos("test")[0].pixels)))
    stylised = (stylise(photo, style).copy() for style in range(len(STYLE_NAMES)))
    images = [torch.from_numpy(pixels).float() / 255 for pixels in stylised]
    return encode_images(load_siglip(TINY_MODELS / "siglip.safetensors"), expert.encoder, images)


def _routed_weights(expert: StyleExpert, styles: Tensor) -> Tensor:
    """Softmax weights on all experts, [B, layers, E]; 0 for experts that are not chosen."""
    routings = list(expert.route(styles).values())
    weights = torch.zeros(len(styles), len(routings), expert.config.num_experts)
    for layer, routing in enumerate(routings):
        weights[:, layer].scatter_(1, routing.indices, routing.weights)
    return weights
