"""Whether an expected order came out, from the numbers alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .crossed import Mean, crossed_mean
from .rows import Row

HOLDS, FAILS, UNCLEAR, MISSING = "holds", "does not hold", "not told apart", "not measured"
UNEQUAL, UNTOLD = "not comparable", "not told"
Training = Mapping[str, Mapping[str, Any]]
"""Of each method that was trained, what must be the same to compare it, by name."""


@dataclass(frozen=True)
class Finding:
    """One expected order: what it says, whether it came out, and the numbers."""

    claim: str
    outcome: str
    numbers: str = ""


def sentence(found: Sequence[Finding]) -> str:
    """All findings in one line, by outcome."""
    parts = [f"Verdict on {len(found)} expected orders."]
    for outcome in (HOLDS, UNCLEAR, FAILS, UNEQUAL, MISSING):
        claims = [finding.claim for finding in found if finding.outcome == outcome]
        if claims:
            parts.append(f"{outcome.capitalize()}: {'; '.join(claims)}.")
    return " ".join(parts)


def difference(better: Row, worse: Row, column: str) -> Mean:
    """Mean over trials of better - worse, each the mean over its seeds."""
    first, second = better.by_trial(column), worse.by_trial(column)
    return crossed_mean(
        {trial: first[trial] - second[trial] for trial in sorted(first.keys() & second.keys())}, better.photos
    )


def order(
    rows: Mapping[str, Row],
    better: str,
    worse: str,
    column: str,
    claim: str,
    least_is_best: bool = False,
    training: Training | None = None,
) -> Finding:
    """Whether the one is better than the other on a column; two that were trained otherwise are not compared."""
    if better not in rows or worse not in rows:
        return Finding(claim, MISSING, f"no {worse if better in rows else better}")
    if unequal := _unequal(training or {}, better, worse):
        return Finding(claim, UNEQUAL, unequal)
    mean = difference(rows[better], rows[worse], column)
    outcome = UNCLEAR if not mean.clear else HOLDS if (mean.value < 0) == least_is_best else FAILS
    return Finding(claim, outcome, mean.text("+.4f"))


def _unequal(training: Training, better: str, worse: str) -> str:
    """What the trainings differ in."""
    if better not in training or worse not in training:
        return ""
    first, second = training[better], training[worse]
    told = [
        f"{name} {first.get(name, UNTOLD)} and {second.get(name, UNTOLD)}"
        for name in dict.fromkeys((*first, *second))
        if first.get(name) != second.get(name)
    ]
    return "trained otherwise: " + ", ".join(told) if told else ""
