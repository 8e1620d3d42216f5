"""A line of a table: what was measured of all images of a method."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from .crossed import Mean, crossed_mean


@dataclass(frozen=True)
class Row:
    """A line of a table: the figures of every image, as a dataclass of floats, with the number of its trial.

    A figure that an image has not is NaN.

    Attributes:
        name: of the method.
        trials: each image's; they are numbered style by style, `photos` of each.
        scores: of each image.
        photos: how many photos were painted in each style.
    """

    name: str
    trials: list[int]
    scores: list[Any]
    photos: int

    def values(self, column: str) -> np.ndarray:
        """One figure of all images, [N]."""
        return np.array([getattr(score, column) for score in self.scores])

    def mean(self, column: str) -> Mean:
        """The mean over styles and photos, a trial's seeds averaged first."""
        return crossed_mean(self.by_trial(column), self.photos)

    def by_trial(self, column: str) -> dict[int, float]:
        """The mean over the seeds of each trial."""
        values, trials = self.values(column), np.array(self.trials)
        return {int(trial): float(values[trials == trial].mean()) for trial in np.unique(trials)}
