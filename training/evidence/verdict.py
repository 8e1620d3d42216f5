"""Which of the paper's orders came out, from the numbers alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .crossed import Mean, crossed_mean
from .methods import FULL, FULL_REFERENCE, NO_ENCODER, SINGLE_LORA
from .overlap import DISSIMILAR, PAPER, SIMILAR, Overlap
from .rows import Row
from .scores import COLOUR, COLOUR_REDRAWN

HOLDS, FAILS, UNCLEAR, MISSING = "holds", "does not hold", "not told apart", "not measured"
UNEQUAL, UNTOLD = "not comparable", "not told"
ORDERS = (
    (FULL, SINGLE_LORA),
    (SINGLE_LORA, NO_ENCODER),
    (FULL, COLOUR),
    (FULL, COLOUR_REDRAWN),
    (FULL_REFERENCE, SINGLE_LORA),
)
"""Better and worse on the judge's cosine. The last is the fair one: both see the style picture."""
Training = Mapping[str, Mapping[str, Any]]
"""Of each method that was trained, what must be the same to compare it, by name."""
LEAST_RATIO = 2.0
"""Of overlaps; the paper's is 3.1, which a small data set is not asked for exactly."""
BEYOND_UNTRAINED = 1.2
"""Times the ratio of untrained routers that a trained one must reach, or it follows from the embeddings alone."""


@dataclass(frozen=True)
class Finding:
    """One expected order: what it says, whether it came out, and the numbers."""

    claim: str
    outcome: str
    numbers: str = ""


def findings(
    rows: Sequence[Row], losses: Sequence[Row], overlaps: Sequence[Overlap], training: Training | None = None
) -> list[Finding]:
    """Every expected order, those that could not be measured too."""
    by_name, by_loss = {row.name: row for row in rows}, {row.name: row for row in losses}
    orders = (
        order(by_name, better, worse, "judge", f"{better} > {worse} on the judge", training=training)
        for better, worse in ORDERS
    )
    learned = (
        order(by_loss, better, worse, "loss", f"{better} < {worse} in loss", least_is_best=True, training=training)
        for better, worse in ORDERS
        if worse not in (COLOUR, COLOUR_REDRAWN)
    )
    return [*orders, *learned, _ratio({overlap.name: overlap for overlap in overlaps})]


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


def _ratio(overlaps: Mapping[str, Overlap]) -> Finding:
    paper = PAPER[SIMILAR] / PAPER[DISSIMILAR]
    claim = f"similar styles overlap at least {LEAST_RATIO:g} times as much as dissimilar ones"
    if SIMILAR not in overlaps or DISSIMILAR not in overlaps:
        return Finding(claim, MISSING)
    similar, dissimilar = overlaps[SIMILAR], overlaps[DISSIMILAR]
    ratio = _times(similar.iou, dissimilar.iou)
    numbers = f"{ratio:.2f} times, the paper {paper:.2f}"
    if similar.untrained is not None:
        numbers += f", untrained routers {_times(similar.untrained, dissimilar.untrained):.2f}"
    return Finding(claim, _outcome_of_ratio(ratio, similar, dissimilar), numbers)


def _outcome_of_ratio(ratio: float, similar: Overlap, dissimilar: Overlap) -> str:
    """It is the training's doing only where untrained routers on the same embeddings fall clearly short of it."""
    if ratio < LEAST_RATIO:
        return FAILS
    if similar.untrained is not None and ratio < BEYOND_UNTRAINED * _times(similar.untrained, dissimilar.untrained):
        return UNCLEAR
    return HOLDS


def _times(similar: float, dissimilar: float | None) -> float:
    return similar / dissimilar if dissimilar else float("inf")
