from dataclasses import dataclass

import pytest
from styleroute.evaluation.claims import FAILS, HOLDS, MISSING, UNCLEAR
from styleroute.evaluation.goals import beats_by, covers_way, reaches
from styleroute.evaluation.method_scores import MethodScores, MetricColumn


@dataclass(frozen=True)
class Score:
    error: float
    share: float


ERROR, SHARE = MetricColumn("error", "error", lower_is_better=True), MetricColumn("share", "own", ".0%")


def rows(**values: list[float]) -> dict[str, MethodScores]:
    """Methods whose images have these errors, and 1 minus them as shares."""
    return {
        name: MethodScores(name, list(range(len(found))), [Score(v, 1 - v) for v in found], per_style=len(found))
        for name, found in values.items()
    }


@pytest.mark.parametrize(
    ("better", "outcome"),
    [
        ([0.17, 0.175, 0.165], HOLDS),
        ([0.19, 0.185, 0.195], FAILS),
        ([0.0, 0.3, 0.1], UNCLEAR),
        ([0.3, 0.3, 0.3], FAILS),
    ],
)
def test_a_difference_must_reach_the_number_and_be_significant(better: list[float], outcome: str) -> None:
    scores = rows(ours=better, theirs=[0.2, 0.2, 0.2])
    found = beats_by(scores, "ours", "theirs", ERROR, 0.02)
    assert (found.claim, found.outcome) == ("error: ours < theirs by 0.020", outcome)
    assert beats_by(scores, "ours", "theirs", SHARE, 0.02).outcome == outcome


def test_a_mean_must_reach_the_number() -> None:
    scores = rows(ours=[0.5, 0.3])
    assert reaches(scores, "ours", SHARE, 0.6).outcome == HOLDS
    found = reaches(scores, "ours", SHARE, 0.61)
    assert (found.claim, found.outcome, found.numbers) == ("own: ours reaches 61%", FAILS, "60% ± 10%")


def test_the_way_from_a_worse_to_a_better_method() -> None:
    scores = rows(nothing=[0.4, 0.2], half=[0.3, 0.1], all=[0.2, 0.0])
    found = covers_way(scores, "nothing", "half", "all", ERROR, 0.75)
    assert (found.outcome, found.numbers) == (FAILS, "50% of the way: nothing 0.300, half 0.200, all 0.100")
    assert covers_way(scores, "nothing", "half", "all", SHARE, 0.5 - 1e-9).outcome == HOLDS
    backwards = covers_way(scores, "all", "half", "nothing", ERROR, 0.1)
    assert backwards.outcome == FAILS
    assert backwards.numbers.startswith("nothing is not better than all")


def test_methods_that_are_missing_are_named() -> None:
    scores = rows(ours=[0.5])
    assert beats_by(scores, "ours", "theirs", ERROR, 0.1).numbers == "no theirs"
    assert reaches(scores, "theirs", ERROR, 0.1).outcome == MISSING
    assert covers_way(scores, "ours", "theirs", "others", ERROR, 0.1).outcome == MISSING
