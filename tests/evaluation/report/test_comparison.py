"""Paired differences: only common trials count, and chance is seldom significant."""

import math

import numpy as np
import pytest
from scipy import stats
from styleroute.errors import DataError
from styleroute.evaluation.report.comparison import adjusted, clustered_p_value, paired_difference
from styleroute.evaluation.report.rows import ScoredImage
from styleroute.evaluation.report.run_pairs import compare, method_pairs
from styleroute.evaluation.report.runs import EvaluationRun

STYLES, CONTENTS = [str(n) for n in range(8) for _ in range(6)], [str(n) for _ in range(8) for n in range(6)]


def values(add: float, noise: int, styles: int = 8) -> dict:
    rng = np.random.default_rng(noise)
    trials = [(str(style), str(content), seed) for style in range(styles) for content in range(6) for seed in "01"]
    return {trial: add + 0.1 * rng.normal() for trial in trials}


def test_only_common_trials_count() -> None:
    first, second = values(0.5, 1), values(0.3, 2, styles=7)
    found = paired_difference({**first, ("extra", "x", "0"): 100.0}, second, resamples=500)
    assert found is not None
    common = first.keys() & second.keys()
    assert found.first == pytest.approx(np.mean([first[trial] for trial in common]))
    assert found.difference.mean == pytest.approx(found.first - found.second)
    assert (found.difference.values, found.difference.styles, found.difference.contents) == (42, 7, 6)
    assert found.difference.low > 0.1
    assert found.p_value < 0.05
    assert found.larger > 0.9
    assert found.least_p_value == pytest.approx(2 / 2**6)
    assert paired_difference(first, {("other", "y", "0"): 1.0}) is None


def test_equal_methods_have_no_difference() -> None:
    same = values(0.5, 1)
    found = paired_difference(same, same, resamples=200)
    assert found is not None
    assert (found.difference.mean, found.p_value, found.larger) == (0, 1, 0.5)


def test_the_p_value_of_one_style_is_that_of_an_exact_sign_test() -> None:
    differences = np.array([0.3, -0.1, 0.4, 0.2, 0.5, 0.1])
    found = clustered_p_value(differences, ["a"] * 6, [str(n) for n in range(6)])
    signs = np.array(np.meshgrid(*[(-1, 1)] * 6)).reshape(6, -1)
    expected = np.mean(np.abs(differences @ signs) >= abs(differences.sum()) - 1e-9)
    assert found == pytest.approx(expected)
    assert found == pytest.approx(stats.wilcoxon(differences).pvalue, abs=0.05)
    assert math.isnan(clustered_p_value(differences, ["a"] * 6, ["x"] * 6))


def test_chance_in_whole_styles_is_seldom_significant() -> None:
    rng, significant = np.random.default_rng(0), 0
    for _ in range(40):
        own = np.repeat(rng.normal(size=8), 6)
        significant += clustered_p_value(own + 0.3 * rng.normal(size=48), STYLES, CONTENTS) < 0.05
    assert significant <= 5  # 2 expected; a test of single images finds most of them significant


def test_corrected_p_values() -> None:
    assert adjusted([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.04, 0.04])
    assert math.isnan(adjusted([0.01, math.nan])[1])
    assert adjusted([]) == []


def run(name: str, *methods: str, protocol: str = "steering", add: float = 0.0, style: str = "") -> EvaluationRun:
    images = [
        ScoredImage(protocol, method, f"{style}{s}", str(c), 0, {"l1": 0.1 * s + 0.01 * c + add, "unknown": 1.0})
        for method in methods
        for s in range(6)
        for c in range(6)
    ]
    return EvaluationRun(name, images=images, folder=None)  # pyright: ignore[reportArgumentType]


def test_methods_with_one_name_are_compared_or_two_single_ones_or_those_that_are_named() -> None:
    a, b, c = run("a", "full", "photo", add=0.1), run("b", "full", "none"), run("c", "other")
    assert [pair.methods for pair in method_pairs([a, b], ("a", "b"))] == [("full", "full")]
    assert [pair.methods for pair in method_pairs([c, run("d", "full")], ("c", "d"))] == [("other", "full")]
    [pair] = method_pairs([a, b], ("a", "a"), ("full", "photo"))
    assert pair.methods == ("full", "photo")
    [found] = compare(method_pairs([a, b], ("a", "b"))[0], 200)
    assert (found.column.key, found.found.difference.mean) == ("l1", pytest.approx(0.1))


@pytest.mark.parametrize(
    ("names", "methods", "sentence"),
    [
        (("a", "x"), None, "There is no run 'x', expected one of a, b, far, other"),
        (("a", "a"), None, "'a' is compared with itself, expected two runs"),
        (("a", "other"), None, "a has steering, and other has regions; expected two runs of one evaluation"),
        (("a", "far"), None, "a and far have no common trial, expected equal styles, contents and seeds"),
        (("a", "b"), ("full", "x"), "There is no method 'x' in steering, expected one of none, photo"),
        (("a", "b"), None, "a and b have no method to compare, expected one name in both"),
    ],
)
def test_impossible_comparisons_are_refused(names, methods, sentence) -> None:
    runs = [
        run("a", "full", "single"),
        run("b", "none", "photo"),
        run("far", "full", style="far "),
        run("other", "full", protocol="regions"),
    ]
    with pytest.raises(DataError, match=sentence):
        method_pairs(runs, names, methods)
