"""Which of RegionRoute's claims came out, and which of the paper's and the release's choices finds the place better."""

from collections.abc import Sequence

from ...training.regions.variants import FULL, NO_ATTENTION, NO_COVER, NO_FOCUS, RELEASE_ALL, RELEASE_CHOICES
from ..finding import Finding, order
from ..rows import Row
from .baselines import BLEND, GLOBAL
from .methods import BASE, LOCKED

CLAIMS = (
    (FULL, BASE, "iou", "the map of the full method is better in place than the base's"),
    (FULL, NO_ATTENTION, "iou", "... than without attention loss"),
    (FULL, NO_COVER, "iou", "... than without Cover"),
    (FULL, NO_FOCUS, "iou", "... than without Focus"),
    (FULL, NO_ATTENTION, "inside", "more of its attention is inside than without attention loss"),
    (FULL, NO_COVER, "inside", "... than without Cover"),
    (FULL, NO_FOCUS, "inside", "... than without Focus"),
    (FULL, BASE, "style", "the region is nearer to the style than the base's"),
    (FULL, NO_ATTENTION, "mse", "the background is kept better than without attention loss"),
    (FULL, GLOBAL, "mse", "the background is kept better than by stylising all"),
    (FULL, BLEND, "seam", "the seam is weaker than that of a blend with the true mask"),
    (LOCKED, FULL, "mse", "the background lock keeps the background better still"),
    (LOCKED, BASE, "style", "... and lets the region be painted nearer to the style than the base does"),
)
"""Better, worse, column, claim."""
LEAST_IS_BEST = ("mse", "seam")


def findings(rows: Sequence[Row]) -> list[Finding]:
    """Every claim, those that could not be measured too, then the presets' choices one by one."""
    by_name = {row.name: row for row in rows}
    choices = [
        (FULL, name, "iou", f"the paper's choice is better in place than {name}")
        for name in (*RELEASE_CHOICES, RELEASE_ALL)
    ]
    return [
        order(by_name, better, worse, column, claim, least_is_best=column in LEAST_IS_BEST)
        for better, worse, column, claim in (*CLAIMS, *choices)
    ]
