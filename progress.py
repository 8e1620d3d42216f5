"""Progress of long work: a bar in a terminal, or one plain line per minute in a log."""

import sys
import time
from collections.abc import Collection, Iterable, Iterator
from typing import Protocol, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

# Without a terminal rich uses 80 columns, which is too narrow for the tables.
console = Console(width=None if sys.stdout.isatty() else 120)

LOG_SECONDS = 60.0
"""Seconds between two lines of a log."""

Item = TypeVar("Item")


class Steps(Protocol):
    """A run of counted steps that can be stopped and continued.

    Attributes:
        step: number of finished steps.
        steps: number of all steps.
    """

    step: int
    steps: int

    def remaining(self) -> Iterator[int]: ...


def track_steps(run: Steps, title: str) -> Iterator[int]:
    """Iterate over the remaining step numbers of a run, and show the progress."""
    yield from _track(run.remaining(), title, run.steps, run.step)


def track(items: Iterable[Item], title: str, total: int | None = None) -> Iterator[Item]:
    """Iterate over the items, and show the progress. Give ``total`` if the items have no length."""
    total = len(items) if total is None and isinstance(items, Collection) else total
    yield from _track(items, title, total, 0)


def _track(items: Iterable[Item], title: str, total: int | None, done: int) -> Iterator[Item]:
    follow = _bar if console.is_terminal else _lines
    yield from follow(items, title, total, done)


def _bar(items: Iterable[Item], title: str, total: int | None, done: int) -> Iterator[Item]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, refresh_per_second=2) as progress:
        task = progress.add_task(title, total=total, completed=done)
        for item in items:
            yield item
            progress.advance(task)


def _lines(items: Iterable[Item], title: str, total: int | None, done: int) -> Iterator[Item]:
    started = printed = time.monotonic()
    first = done
    for item in items:
        yield item
        done += 1
        now = time.monotonic()
        if now - printed >= LOG_SECONDS:
            printed = now
            console.print(_line(title, done, total, (now - started) / (done - first)), soft_wrap=True)


def _line(title: str, done: int, total: int | None, seconds_each: float) -> str:
    """One line, for instance "style encoder: 120 of 600, 8 min left"."""
    if total is None:
        return f"{title}: {done}"
    return f"{title}: {done:,} of {total:,}, {(total - done) * seconds_each / 60:.0f} min left"
