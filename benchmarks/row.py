"""A measured ratio with its limit, and the table of them."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from rich.table import Table


@dataclass(frozen=True)
class Row:
    """One line: measured values, of which the median must not be above `limit`; None is a row for comparison only."""

    what: str
    against: str
    values: tuple[float, ...]
    limit: float | None
    unit: str = ""

    @property
    def middle(self) -> float:
        return median(self.values)

    @property
    def text(self) -> str:
        """The measured value in a line of its own."""
        return f"{self.what}: {_number(self.middle, self.unit)}"

    @property
    def passed(self) -> bool:
        return self.limit is None or self.middle <= self.limit


def timed(step: Callable[[], None]) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def table(title: str, rows: Sequence[Row]) -> Table:
    """Median, spread and limit of each row."""
    shown = Table(title=title)
    for heading in ("what", "against"):
        shown.add_column(heading)
    for heading in ("median", "min..max", "pairs", "at most", ""):
        shown.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        shown.add_row(
            row.what,
            row.against,
            _number(row.middle, row.unit),
            f"{_number(min(row.values))}..{_number(max(row.values))}",
            str(len(row.values)),
            *_verdict(row),
        )
    return shown


def _verdict(row: Row) -> tuple[str, str]:
    if row.limit is None:
        return "", ""
    return _number(row.limit, row.unit), "[green]kept[/]" if row.passed else "[red]missed[/]"


def _number(value: float, unit: str = "") -> str:
    return f"{value:.0f} {unit}".strip() if value >= 10 else f"{value:.3f}"
