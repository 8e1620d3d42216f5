"""A line of a table: what was measured of all pictures of a method."""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Row:
    """A line of a table: the figures of every picture, as a dataclass of floats, with the number of its trial.

    A figure that a picture has not is NaN.
    """

    name: str
    trials: list[int]
    scores: list[Any]

    def values(self, column: str) -> np.ndarray:
        """One figure of all pictures, [N]."""
        return np.array([getattr(score, column) for score in self.scores])

    def mean(self, column: str) -> tuple[float, float]:
        """The mean over trials and its standard error, that of a single trial NaN.

        A trial counts once, with the mean of its seeds: pictures of one photo in one style are no independent proof.
        """
        values = np.array(list(self.by_trial(column).values()))
        error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else float("nan")
        return float(values.mean()), float(error)

    def by_trial(self, column: str) -> dict[int, float]:
        """The mean over the seeds of each trial."""
        values, trials = self.values(column), np.array(self.trials)
        return {int(trial): float(values[trials == trial].mean()) for trial in np.unique(trials)}
