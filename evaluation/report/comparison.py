"""The paired comparison of two methods: only trials that both have, and whole styles and contents are exchanged."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import stats

from .intervals import RESAMPLES, Interval, bootstrap_mean

PERMUTATIONS = 9999
"""Random exchanges of one test. All exchanges are tried if there are fewer."""

Trial = tuple[str, str, str]
"""Style, content, and what else tells one image from another, such as its seed."""


@dataclass(frozen=True)
class PairedDifference:
    """The difference of two methods in one metric, over the trials of both.

    Attributes:
        first, second: means of both methods over these trials.
        difference: mean of first minus second, with its interval. `values` is the number of pairs of style and content.
        larger: share of these pairs in which the first method has the larger value; equal values count as half.
        p_value: probability of such a difference by chance; NaN for a single style and content.
    """

    first: float
    second: float
    difference: Interval
    larger: float
    p_value: float

    @property
    def least_p_value(self) -> float:
        """The smallest p-value that a test can give for so few styles or contents."""
        several = [number for number in (self.difference.styles, self.difference.contents) if number > 1]
        return 2.0 ** (1 - min(several)) if several else 1.0


def paired_difference(
    first: Mapping[Trial, float], second: Mapping[Trial, float], resamples: int = RESAMPLES
) -> PairedDifference | None:
    """Compare two methods in one metric; None if they have no common trial.

    The images of each pair of style and content are averaged before.

    Args:
        first, second: the values of both methods by trial.
        resamples: bootstrap samples of the interval.
    """
    common = sorted(first.keys() & second.keys())
    if not common:
        return None
    pairs: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for trial in common:
        pairs.setdefault(trial[:2], []).append((first[trial], second[trial]))
    means = np.array([np.mean(values, axis=0) for values in pairs.values()])
    differences = means[:, 0] - means[:, 1]
    styles, contents = ([names[side] for names in pairs] for side in (0, 1))
    return PairedDifference(
        first=float(means[:, 0].mean()),
        second=float(means[:, 1].mean()),
        difference=bootstrap_mean(differences.tolist(), styles, contents, resamples),
        larger=float(np.mean((differences > 0) + 0.5 * (differences == 0))),
        p_value=clustered_p_value(differences, styles, contents),
    )


def clustered_p_value(differences: np.ndarray, styles: list[str], contents: list[str]) -> float:
    """The larger p-value of two permutation tests: one exchanges both methods in whole styles, one in whole contents.

    Each test is right if the other factor has no effect of its own. The larger p-value is therefore the careful one.
    """
    p_values = [_p_value(differences, factor) for factor in (styles, contents) if len(set(factor)) > 1]
    return max(p_values, default=float("nan"))


def adjusted(p_values: list[float]) -> list[float]:
    """The p-values of several metrics, corrected for their number (Benjamini and Hochberg); NaN stays NaN."""
    found = np.array(p_values, dtype=float)
    known = np.isfinite(found)
    if known.any():
        found[known] = stats.false_discovery_control(found[known])
    return found.tolist()


def _p_value(differences: np.ndarray, clusters: list[str]) -> float:
    """A sign-flip test of the clusters' sums: an exchange of both methods in a cluster flips its sign."""
    names, members = np.unique(np.asarray(clusters, dtype=object).astype(str), return_inverse=True)
    sums = np.bincount(members, weights=differences, minlength=len(names))
    tested = stats.permutation_test(
        (sums, np.zeros_like(sums)),
        lambda one, other, axis: (one - other).mean(axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=PERMUTATIONS,
        batch=500,
        rng=np.random.default_rng(0),
    )
    return float(tested.pvalue)
