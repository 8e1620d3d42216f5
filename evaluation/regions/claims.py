"""Tests which claims of the RegionRoute paper hold, and which training choices localise better."""

from collections.abc import Sequence

from ...training.regions.variants import FULL, NO_ATTENTION, NO_COVER, NO_FOCUS, RELEASE_ALL, RELEASE_CHOICES
from ..claims import ClaimResult, compare_methods
from ..method_scores import MethodScores
from .baselines import BLEND, GLOBAL
from .methods import BASE, LOCKED
from .scores import REGION_COLUMNS

PAPER_CLAIMS = (
    (FULL, BASE, "iou"),
    (FULL, NO_ATTENTION, "iou"),
    (FULL, NO_COVER, "iou"),
    (FULL, NO_FOCUS, "iou"),
    (FULL, NO_ATTENTION, "inside"),
    (FULL, NO_COVER, "inside"),
    (FULL, NO_FOCUS, "inside"),
    (FULL, BASE, "style_similarity"),
    (FULL, NO_ATTENTION, "background_mse"),
    (FULL, GLOBAL, "background_mse"),
    (FULL, BLEND, "seam"),
    (LOCKED, FULL, "background_mse"),
    (LOCKED, BASE, "style_similarity"),
)
"""Better method, worse method, metric."""
CHOICE_CLAIMS = tuple((FULL, name, "iou") for name in (*RELEASE_CHOICES, RELEASE_ALL))
"""The same for the choices in which the paper and its released code differ; the full method has the paper's."""


def claim_results(scores: Sequence[MethodScores]) -> list[ClaimResult]:
    """The outcome of every claim, including claims that could not be measured."""
    by_name = {method.name: method for method in scores}
    columns = {column.key: column for column in REGION_COLUMNS}
    return [
        compare_methods(by_name, better, worse, columns[key]) for better, worse, key in (*PAPER_CLAIMS, *CHOICE_CLAIMS)
    ]
