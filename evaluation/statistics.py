"""Means over a style x image grid with two-way clustered standard errors.

Images in one style, or of one photo, are not independent: a method may be good at one style by chance. The variance is
therefore clustered by style and by photo (A. C. Cameron, J. B. Gelbach, D. L. Miller, Robust Inference With Multiway
Clustering, 2011). Student's t tests differences; its degrees of freedom come from the smaller number of clusters.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import stats

CONFIDENCE = 0.95
"""Confidence level of the two-sided t-test."""


@dataclass(frozen=True)
class ClusteredMean:
    """A mean and its standard error.

    Attributes:
        value: the mean; NaN where nothing was measured.
        standard_error: clustered by style and photo; NaN for a single value.
        degrees_of_freedom: number of clusters minus 1.
    """

    value: float
    standard_error: float
    degrees_of_freedom: int

    def text(self, number_format: str) -> str:
        """The mean and its standard error, such as "0.52 ± 0.03"; empty if nothing was measured."""
        if not math.isfinite(self.value):
            return ""
        if not math.isfinite(self.standard_error):
            return f"{self.value:{number_format}}"
        return f"{self.value:{number_format}} ± {self.standard_error:{number_format.lstrip('+')}}"

    @property
    def is_significant(self) -> bool:
        """Whether the t-test finds the mean different from 0."""
        if self.degrees_of_freedom < 1:
            return False
        threshold = stats.t.ppf((1 + CONFIDENCE) / 2, self.degrees_of_freedom)
        return abs(self.value) > threshold * self.standard_error


def clustered_mean(values: Mapping[int, float], per_style: int) -> ClusteredMean:
    """The mean over trials.

    Args:
        values: one value per trial, by trial number. Trials are numbered style by style, `per_style` in each.
        per_style: number of photos in each style.
    """
    trials, numbers = np.array(list(values)), np.array(list(values.values()))
    deviations = numbers - numbers.mean()
    labels = {"trial": trials, "style": trials // per_style, "photo": trials % per_style}
    variances = {name: _cluster_variance(deviations, clusters) for name, clusters in labels.items()}
    counts = [len(np.unique(labels[name])) for name in ("style", "photo")]
    several = [count for count in counts if count > 1]
    if not several:
        return ClusteredMean(float(numbers.mean()), math.nan, 0)
    variance = _two_way_variance(**variances) if len(several) == 2 else variances["trial"]
    return ClusteredMean(float(numbers.mean()), math.sqrt(variance), min(several) - 1)


def _two_way_variance(trial: float, style: float, photo: float) -> float:
    """Cameron's sum of variances; never below the variance of one clustering, which chance could cause."""
    return max(style + photo - trial, style, photo)


def _cluster_variance(deviations: np.ndarray, labels: np.ndarray) -> float:
    """Variance of the mean from deviations [N], summed within each cluster; 0 for a single cluster."""
    sums = np.array([deviations[labels == label].sum() for label in np.unique(labels)])
    count = len(sums)
    return float(count / (count - 1) * (sums**2).sum() / len(deviations) ** 2) if count > 1 else 0.0
