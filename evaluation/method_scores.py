"""The scores of one method: one dataclass of floats per image, and the mean of each metric."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .statistics import ClusteredMean, clustered_mean


@dataclass(frozen=True)
class MetricColumn:
    """A metric as tables and claims show it.

    Attributes:
        key: the metric's field in the dataclass of scores.
        name: the metric's name in claims.
        number_format: format of its numbers in tables.
        lower_is_better: whether a lower value is better.
        short_name: the name in tables; empty: `name`.
    """

    key: str
    name: str
    number_format: str = ".3f"
    lower_is_better: bool = False
    short_name: str = ""

    @property
    def heading(self) -> str:
        """The name with an arrow towards the better values."""
        return f"{self.short_name or self.name} {'↓' if self.lower_is_better else '↑'}"


@dataclass(frozen=True)
class MethodScores:
    """The scores of all images of one method, which make one row of a table.

    Attributes:
        name: the method's name.
        trials: the trial number of each image. Trials are numbered style by style, `per_style` in each.
        scores: one dataclass of floats per image; NaN where a metric does not apply.
        per_style: number of photos in each style.
        files: the file of each image, relative to the evaluation's folder; empty if the images are not kept.
    """

    name: str
    trials: list[int]
    scores: list[Any]
    per_style: int
    files: Sequence[str] = ()

    @classmethod
    def from_pairs(
        cls, name: str, scored: Iterable[tuple[int, Any]], per_style: int, files: Sequence[str] = ()
    ) -> "MethodScores":
        """From pairs of a trial number and the scores of one image."""
        pairs = list(scored)
        return cls(name, [trial for trial, _ in pairs], [scores for _, scores in pairs], per_style, files)

    def values(self, key: str) -> np.ndarray:
        """One metric of all images, [N]."""
        return np.array([getattr(scores, key) for scores in self.scores])

    def by_trial(self, key: str) -> dict[int, float]:
        """The mean over the seeds of each trial."""
        values, trials = self.values(key), np.array(self.trials)
        return {int(trial): float(values[trials == trial].mean()) for trial in np.unique(trials)}

    def mean(self, key: str) -> ClusteredMean:
        """The mean over styles and photos, after averaging the seeds of each trial."""
        return clustered_mean(self.by_trial(key), self.per_style)


def mean_difference(first: MethodScores, second: MethodScores, key: str) -> ClusteredMean:
    """The mean over common trials of `first` minus `second`, after averaging the seeds of each trial."""
    ours, theirs = first.by_trial(key), second.by_trial(key)
    common = sorted(ours.keys() & theirs.keys())
    return clustered_mean({trial: ours[trial] - theirs[trial] for trial in common}, first.per_style)
