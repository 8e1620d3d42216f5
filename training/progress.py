"""Progress bars for long commands, and a plain line now and then where there is no terminal."""

import sys
from collections.abc import Iterator
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

# Without a terminal rich assumes 80 columns, too few for the tables in a log.
console = Console(width=None if sys.stdout.isatty() else 120)


class Steps(Protocol):
    """What ``track`` follows: a counted run that can stop before its end."""

    step: int
    steps: int

    def remaining(self) -> Iterator[int]: ...


def track(stage: Steps, title: str) -> Iterator[int]:
    """The stage's remaining steps, with a bar."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, refresh_per_second=2, disable=not console.is_terminal) as progress:
        task = progress.add_task(title, total=stage.steps, completed=stage.step)
        for step in stage.remaining():
            yield step
            progress.update(task, completed=step + 1)
