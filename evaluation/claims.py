"""Tests claims of the form "method A has a better score than method B" with paired differences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .method_scores import MethodScores, MetricColumn, mean_difference

HOLDS, FAILS, UNCLEAR = "holds", "does not hold", "not significant"
MISSING, UNEQUAL = "not measured", "not comparable"
UNRECORDED = "not recorded"

TrainingSettings = Mapping[str, Mapping[str, Any]]
"""For each trained method, the settings by name that two compared methods must share."""


@dataclass(frozen=True)
class ClaimResult:
    """A claim, its outcome (one of the constants above), and the numbers that show it."""

    claim: str
    outcome: str
    numbers: str = ""


def summarise(results: Sequence[ClaimResult]) -> str:
    """All claims in one line, grouped by outcome."""
    parts = [f"Tested {len(results)} claims."]
    for outcome in (HOLDS, UNCLEAR, FAILS, UNEQUAL, MISSING):
        claims = [result.claim for result in results if result.outcome == outcome]
        if claims:
            parts.append(f"{outcome.capitalize()}: {'; '.join(claims)}.")
    return " ".join(parts)


def compare_methods(
    scores: Mapping[str, MethodScores],
    better: str,
    worse: str,
    column: MetricColumn,
    training: TrainingSettings | None = None,
) -> ClaimResult:
    """Test whether `better` beats `worse` in one metric.

    Two methods with different training settings are not compared.
    """
    claim = f"{column.name}: {better} {'<' if column.lower_is_better else '>'} {worse}"
    for name in (better, worse):
        if name not in scores:
            return ClaimResult(claim, MISSING, f"no {name}")
    if differing := _differing_settings(training or {}, better, worse):
        return ClaimResult(claim, UNEQUAL, differing)
    mean = mean_difference(scores[better], scores[worse], column.key)
    expected = (mean.value < 0) == column.lower_is_better
    outcome = UNCLEAR if not mean.is_significant else HOLDS if expected else FAILS
    return ClaimResult(claim, outcome, mean.text("+.4f"))


def _differing_settings(training: TrainingSettings, better: str, worse: str) -> str:
    """The settings in which two trainings differ; empty without a difference."""
    if better not in training or worse not in training:
        return ""
    first, second = training[better], training[worse]
    differing = [
        f"{name} {first.get(name, UNRECORDED)} and {second.get(name, UNRECORDED)}"
        for name in dict.fromkeys((*first, *second))
        if first.get(name) != second.get(name)
    ]
    return "different training: " + ", ".join(differing) if differing else ""
