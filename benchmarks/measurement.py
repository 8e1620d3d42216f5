"""Measured ratios with their limits, and a table of them."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.table import Table

from .budget import Budget

NOISE = 0.01
"""What a step may take longer if its bound is 1.00, which holds within noise."""


@dataclass(frozen=True)
class Measurement:
    """Values of one measurement, whose median must not exceed the limit.

    Attributes:
        what: the measured step.
        against: the step that it is compared with.
        values: one value per pair of measurements.
        limit: the largest allowed median; None for a row that is only for comparison.
        unit: unit of the values; empty for ratios.
        size: sizes of the measured model; empty if the title of the table names them.
    """

    what: str
    against: str
    values: tuple[float, ...]
    limit: float | None
    unit: str = ""
    size: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def text(self) -> str:
        """One line of text with the median."""
        name = f"{self.size}: {self.what}" if self.size else self.what
        return f"{name}: {_number(self.median, self.unit)}"

    @property
    def passed(self) -> bool:
        return self.limit is None or self.median <= self.limit


def timed(step: Callable[[], None]) -> float:
    """Duration of one call in seconds."""
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def alternating_ratios(
    ours: Callable[[], None], theirs: Callable[[], None], pairs: int, budget: Budget | None = None
) -> tuple[float, ...]:
    """Ratios of the durations of two steps, ours / theirs, after a warm-up of both.

    Args:
        ours: our step.
        theirs: the other step.
        pairs: largest number of pairs; the order alternates from pair to pair.
        budget: no new pair starts if it would probably end too late. One pair is always measured.
    """
    expected = timed(theirs) + timed(ours)
    found: list[float] = []
    while len(found) < pairs and (not found or budget is None or budget.remaining > expected):
        if len(found) % 2:
            second = timed(theirs)
            found.append(timed(ours) / second)
        else:
            found.append(timed(ours) / timed(theirs))
    return tuple(found)


def table(title: str, rows: Sequence[Measurement], caption: str = "") -> Table:
    """A table with median, range and limit of each measurement. Rows for comparison stand in a section of their own."""
    shown = Table(title=title, caption=caption, caption_justify="left")
    has_size = any(row.size for row in rows)
    for heading in ("what", "against", *(["model"] if has_size else [])):
        shown.add_column(heading)
    for heading in ("median", "min..max", "pairs", "at most", ""):
        shown.add_column(heading, justify="right", no_wrap=True)
    bounded = [row for row in rows if row.limit is not None]
    for row in bounded:
        shown.add_row(*_cells(row, has_size))
    if bounded and len(bounded) < len(rows):
        shown.add_section()
    for row in rows:
        if row.limit is None:
            shown.add_row(*_cells(row, has_size))
    return shown


def _cells(row: Measurement, has_size: bool) -> tuple[str, ...]:
    return (
        row.what,
        row.against,
        *([row.size] if has_size else []),
        _number(row.median, row.unit),
        f"{_number(min(row.values))}..{_number(max(row.values))}",
        str(len(row.values)),
        *_result(row),
    )


def _result(row: Measurement) -> tuple[str, str]:
    if row.limit is None:
        return "", ""
    return _number(row.limit, row.unit), "[green]kept[/]" if row.passed else "[red]missed[/]"


def _number(value: float, unit: str = "") -> str:
    return f"{value:.0f} {unit}".strip() if value >= 10 else f"{value:.3f} {unit}".strip()
