"""Dataset bias: styles counted by the mean of their images' answers."""

import numpy as np
import pytest
from styleroute.errors import DataError
from styleroute.evaluation.metrics import SemanticAnswers, semantic_bias
from styleroute.evaluation.metrics.semantic_bias import PAPER_COLOUR_STYLES, PAPER_STYLES


def answers(semantic: list[float], colour_only: list[float]) -> SemanticAnswers:
    values = np.array(semantic)
    return SemanticAnswers(values, values, values, np.array(colour_only), np.ones(len(values)))


def test_a_style_counts_by_the_mean_of_its_images() -> None:
    styles = ["clay", "clay", "tint", "tint", "even"]
    found = semantic_bias(styles, answers([0.9, 0.3, 0.6, 0.1, 0.5], [0.1, 0.5, 0.5, 0.9, 0.5]))
    assert found.semantic == ("clay",)
    assert found.colour == ("tint", "even")
    assert (found.semantic_share, found.colour_share) == (pytest.approx(1 / 3), pytest.approx(2 / 3))


def test_swapped_answers_swap_the_groups_and_no_style_has_no_share() -> None:
    one = semantic_bias(["a", "b"], answers([0.9, 0.1], [0.1, 0.9]))
    other = semantic_bias(["a", "b"], answers([0.1, 0.9], [0.9, 0.1]))
    assert (one.semantic, one.colour) == (other.colour, other.semantic) == (("a",), ("b",))
    assert semantic_bias([], answers([], [])).semantic_share == 0


def test_the_papers_count_has_the_papers_share() -> None:
    colour = [float(number < PAPER_COLOUR_STYLES) for number in range(PAPER_STYLES)]
    found = semantic_bias([str(number) for number in range(PAPER_STYLES)], answers([0.5] * PAPER_STYLES, colour))
    assert len(found.colour) == 841
    assert found.colour_share == pytest.approx(841 / 889)


def test_unequal_lists_are_refused() -> None:
    with pytest.raises(DataError, match="one entry for each image"):
        semantic_bias(["a"], answers([0.5, 0.5], [0.5, 0.5]))
