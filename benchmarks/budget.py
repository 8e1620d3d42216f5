"""A total time limit of a benchmark: each measurement gets its share of the remaining time."""

import time
from collections.abc import Callable, Sequence

NO_TIME = "not measured, because the time limit is reached"
"""End of the sentence about a measurement that was left out."""


class Budget:
    """The time that remains.

    Args:
        seconds: the limit.
        clock: gives the time in seconds.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._end = clock, clock() + seconds

    @property
    def remaining(self) -> float:
        """Seconds until the limit, at least 0."""
        return max(0.0, self._end - self._clock())

    @property
    def is_over(self) -> bool:
        """Whether no time remains."""
        return not self.remaining

    def part(self, seconds: float) -> "Budget":
        """A budget of its own for a part of the work, which ends no later than this one."""
        return Budget(min(seconds, self.remaining), self._clock)

    def share(self, weights: Sequence[float]) -> float:
        """Seconds for the first of the remaining measurements.

        Args:
            weights: expected cost of each remaining measurement, in any unit.
        """
        return self.remaining * weights[0] / sum(weights)
