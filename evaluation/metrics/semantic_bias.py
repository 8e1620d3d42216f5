"""Whether a dataset's styles transfer semantics, or only colours, as StyleExpert counts it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..metric_models.image_batch import require_equal_lengths
from .vlm_semantic_score import SemanticAnswers

PAPER_STYLES, PAPER_COLOUR_STYLES = 889, 841
"""StyleExpert's count for OmniStyle-150K: its styles, and those that transfer only colour."""


@dataclass(frozen=True)
class SemanticBias:
    """The styles of a dataset in two groups.

    Attributes:
        semantic: names of the styles that transfer texture, lines or material.
        colour: names of the styles that transfer only colour.
    """

    semantic: tuple[str, ...]
    colour: tuple[str, ...]

    @property
    def semantic_share(self) -> float:
        """Share of styles that transfer semantics, 0 to 1. The paper's count for OmniStyle-150K is 48 of 889."""
        return len(self.semantic) / max(len(self.semantic) + len(self.colour), 1)

    @property
    def colour_share(self) -> float:
        """Share of styles that transfer only colour, 0 to 1. The paper's count for OmniStyle-150K is 841 of 889."""
        return len(self.colour) / max(len(self.semantic) + len(self.colour), 1)


def semantic_bias(styles: Sequence[str], answers: SemanticAnswers) -> SemanticBias:
    """Count the styles that transfer semantics, from the answers of `semantic_answers` on a dataset's stylised images.

    A style transfers semantics if the mean probability of texture, line and material over its images is larger than
    that of "at most the colours changed". The rule is ours, because the paper gives none.

    Args:
        styles: the style's name of each image.
        answers: the probabilities of the same images, in this order.

    Raises:
        DataError: the lists differ in length.
    """
    require_equal_lengths(styles, answers.colour_only)
    names, advantage = np.array(styles), answers.semantic - answers.colour_only
    by_style = {name: float(advantage[names == name].mean()) for name in dict.fromkeys(styles)}
    semantic = tuple(name for name, value in by_style.items() if value > 0)
    return SemanticBias(semantic, tuple(name for name in by_style if name not in semantic))
