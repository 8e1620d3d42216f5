"""The losses of a training as printed lines, in a terminal and in a log."""

import time
from collections.abc import Mapping

LOG_EVERY = 20
"""Steps between two printed lines with the losses, by default."""


class LossLines:
    """Collects the values of steps, and gives their means as one line."""

    def __init__(self) -> None:
        self._restart()

    def add(self, values: Mapping[str, float]) -> None:
        """Add the values of a step by name, "loss" among them."""
        self._steps += 1
        for name, value in values.items():
            self._sums[name] = self._sums.get(name, 0.0) + value

    def take(self, title: str, step: int, steps: int) -> str:
        """One line with the means since the last line, such as "experts: step 50 of 600, loss 0.0813, 2.1 s a step"."""
        means = {name: value / self._steps for name, value in self._sums.items()}
        shown = ", ".join(f"{name} {means[name]:.4g}" for name in ("loss", *(name for name in means if name != "loss")))
        seconds = (time.monotonic() - self._started) / self._steps
        self._restart()
        return f"{title}: step {step:,} of {steps:,}, {shown}, {seconds:.2g} s a step"

    def _restart(self) -> None:
        self._steps, self._sums, self._started = 0, dict[str, float](), time.monotonic()
