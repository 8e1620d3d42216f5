"""Measured ratios with their limits, and a table of them."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.table import Table


@dataclass(frozen=True)
class Measurement:
    """Values of one measurement, whose median must not exceed the limit.

    Attributes:
        what: the measured step.
        against: the step that it is compared with.
        values: one value per pair of measurements.
        limit: the largest allowed median; None for a row that is only for comparison.
        unit: unit of the values; empty for ratios.
    """

    what: str
    against: str
    values: tuple[float, ...]
    limit: float | None
    unit: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def text(self) -> str:
        """One line of text with the median."""
        return f"{self.what}: {_number(self.median, self.unit)}"

    @property
    def passed(self) -> bool:
        return self.limit is None or self.median <= self.limit


def timed(step: Callable[[], None]) -> float:
    """Duration of one call in seconds."""
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def table(title: str, rows: Sequence[Measurement]) -> Table:
    """A table with median, range and limit of each measurement."""
    shown = Table(title=title)
    for heading in ("what", "against"):
        shown.add_column(heading)
    for heading in ("median", "min..max", "pairs", "at most", ""):
        shown.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        shown.add_row(
            row.what,
            row.against,
            _number(row.median, row.unit),
            f"{_number(min(row.values))}..{_number(max(row.values))}",
            str(len(row.values)),
            *_result(row),
        )
    return shown


def _result(row: Measurement) -> tuple[str, str]:
    if row.limit is None:
        return "", ""
    return _number(row.limit, row.unit), "[green]kept[/]" if row.passed else "[red]missed[/]"


def _number(value: float, unit: str = "") -> str:
    return f"{value:.0f} {unit}".strip() if value >= 10 else f"{value:.3f}"
