"""The mean of figures of every style on every photo, and how sure it is.

Images in one style, or of one photo, are no independent proof: a method may be good at a style by luck. So the
variance is clustered both ways (A. C. Cameron, J. B. Gelbach, D. L. Miller, Robust Inference With Multiway Clustering,
2011), and differences count by Student's t with the degrees of freedom of the fewer styles or photos.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import stats

SURE = 0.95
"""Of a two-sided interval."""


@dataclass(frozen=True)
class Mean:
    """A mean, its standard error (NaN of a single figure), and its degrees of freedom."""

    value: float
    error: float
    freedom: int

    def text(self, shape: str) -> str:
        """With its standard error, where there is one; nothing of what was not measured."""
        if not math.isfinite(self.value):
            return ""
        error = f" ± {self.error:{shape.lstrip('+')}}" if math.isfinite(self.error) else ""
        return f"{self.value:{shape}}{error}"

    @property
    def clear(self) -> bool:
        """Whether it is told apart from 0."""
        return self.freedom > 0 and abs(self.value) > stats.t.ppf((1 + SURE) / 2, self.freedom) * self.error


def crossed_mean(values: Mapping[int, float], photos: int) -> Mean:
    """The mean of trials' figures.

    Args:
        values: by the number of the trial; trials go style by style, `photos` of each.
        photos: how many photos there are.
    """
    trials, figures = np.array(list(values)), np.array(list(values.values()))
    rest = figures - figures.mean()
    groups = [trials, trials // photos, trials % photos]
    each, styles, shots = (_variance(rest, labels) for labels in groups)
    counts = [len(np.unique(labels)) for labels in groups[1:]]
    several = [count for count in counts if count > 1]
    if not several:
        return Mean(float(figures.mean()), math.nan, 0)
    # Each cluster's own variance is the least: the sum may fall below it by chance.
    variance = max(styles + shots - each, styles, shots) if len(several) == 2 else each
    return Mean(float(figures.mean()), math.sqrt(variance), min(several) - 1)


def _variance(rest: np.ndarray, labels: np.ndarray) -> float:
    """Of the mean, from deviations [N] that are summed within each cluster; 0 of a single cluster."""
    sums = np.array([rest[labels == label].sum() for label in np.unique(labels)])
    count = len(sums)
    return float(count / (count - 1) * (sums**2).sum() / len(rest) ** 2) if count > 1 else 0.0
