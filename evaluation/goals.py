"""Tests goals: claims with a number that a mean, or a difference of means, must reach."""

from collections.abc import Mapping

from .claims import FAILS, HOLDS, MISSING, UNCLEAR, ClaimResult
from .method_scores import MethodScores, MetricColumn, mean_difference

Scores = Mapping[str, MethodScores]
"""Scores by the method's name."""


def beats_by(scores: Scores, better: str, worse: str, column: MetricColumn, least: float) -> ClaimResult:
    """Test whether `better` beats `worse` in one metric by at least `least`.

    A difference that reaches the number, but whose confidence interval contains 0, is not significant.
    """
    sign = "<" if column.lower_is_better else ">"
    claim = f"{column.name}: {better} {sign} {worse} by {least:{column.number_format}}"
    if missing := _missing(scores, better, worse):
        return ClaimResult(claim, MISSING, missing)
    mean = mean_difference(scores[better], scores[worse], column.key)
    gain = -mean.value if column.lower_is_better else mean.value
    outcome = FAILS if gain < least else HOLDS if mean.is_significant else UNCLEAR
    return ClaimResult(claim, outcome, mean.text(f"+{column.number_format}"))


def reaches(scores: Scores, name: str, column: MetricColumn, least: float) -> ClaimResult:
    """Test whether a method's mean is at least `least`, in a metric whose higher values are better."""
    claim = f"{column.name}: {name} reaches {least:{column.number_format}}"
    if missing := _missing(scores, name):
        return ClaimResult(claim, MISSING, missing)
    mean = scores[name].mean(column.key)
    return ClaimResult(claim, HOLDS if mean.value >= least else FAILS, mean.text(column.number_format))


def covers_way(scores: Scores, start: str, middle: str, end: str, column: MetricColumn, least: float) -> ClaimResult:
    """Test whether `middle` covers at least the share `least` of the way from `start` to the better `end`."""
    claim = f"{column.name}: {middle} covers {least:.0%} of the way from {start} to {end}"
    if missing := _missing(scores, start, middle, end):
        return ClaimResult(claim, MISSING, missing)
    means = {name: scores[name].mean(column.key).value for name in (start, middle, end)}
    numbers = ", ".join(f"{name} {mean:{column.number_format}}" for name, mean in means.items())
    way = means[end] - means[start]
    if way == 0 or (way < 0) != column.lower_is_better:
        return ClaimResult(claim, FAILS, f"{end} is not better than {start}: {numbers}")
    share = (means[middle] - means[start]) / way
    return ClaimResult(claim, HOLDS if share >= least else FAILS, f"{share:.0%} of the way: {numbers}")


def _missing(scores: Scores, *names: str) -> str:
    return next((f"no {name}" for name in names if name not in scores), "")
