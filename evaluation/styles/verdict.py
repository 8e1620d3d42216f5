"""Which of the paper's orders came out, from the numbers alone."""

from collections.abc import Mapping, Sequence

from ..finding import FAILS, HOLDS, MISSING, UNCLEAR, Finding, Training, order
from ..rows import Row
from .methods import FULL, FULL_REFERENCE, NO_ENCODER, SINGLE_LORA, WHERE_TOLD, WIDE
from .overlap import DISSIMILAR, PAPER, SIMILAR, Overlap
from .scores import COLOUR, COLOUR_REDRAWN

ORDERS = (
    (FULL, SINGLE_LORA),
    (SINGLE_LORA, NO_ENCODER),
    (FULL, COLOUR),
    (FULL, COLOUR_REDRAWN),
    (FULL_REFERENCE, SINGLE_LORA),
    (WIDE, SINGLE_LORA),
    (WIDE, FULL_REFERENCE),
    (WIDE, COLOUR),
    (WIDE, COLOUR_REDRAWN),
)
"""Better and worse. Against the single LoRA the fair ones are those that see the style image as it does."""
LEAST_RATIO = 2.0
"""Of overlaps; the paper's is 3.1, which a small data set is not asked for exactly."""
BEYOND_UNTRAINED = 1.2
"""Times the ratio of untrained routers that a trained one must reach, or it follows from the embeddings alone."""


def findings(
    rows: Sequence[Row], losses: Sequence[Row], overlaps: Sequence[Overlap], training: Training | None = None
) -> list[Finding]:
    """Every expected order, those that could not be measured too."""
    by_name, by_loss = {row.name: row for row in rows}, {row.name: row for row in losses}
    told = {pair: _told_by_both(training or {}, *pair) for pair in ORDERS}
    orders = (
        order(by_name, *pair, "judge", f"{pair[0]} > {pair[1]} on the judge", training=told[pair]) for pair in ORDERS
    )
    learned = (
        order(by_loss, *pair, "loss", f"{pair[0]} < {pair[1]} in loss", least_is_best=True, training=told[pair])
        for pair in ORDERS
        if pair[1] not in (COLOUR, COLOUR_REDRAWN)
    )
    return [*orders, *learned, _ratio({overlap.name: overlap for overlap in overlaps})]


def _told_by_both(training: Training, better: str, worse: str) -> Training:
    """The trainings of two methods, without what may be left untold where one of them does so."""
    pair = {name: training[name] for name in (better, worse) if name in training}
    untold = {name for name in WHERE_TOLD for told in pair.values() if name not in told}
    return {name: {what: told[what] for what in told if what not in untold} for name, told in pair.items()}


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
