"""Interruption by Ctrl-C or SIGTERM, with which `kill`, schedulers, containers and a shutdown end a process."""

import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class Stopped(KeyboardInterrupt):
    """A signal stopped the work. Code that cleans up after Ctrl-C cleans up after every such signal.

    Attributes:
        exit_code: the exit code of the process, 128 + the signal's number.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.exit_code = 128 + number


class Interruption:
    """Notes Ctrl-C and SIGTERM within a `with` block, so that a step can end before the work stops.

    A Ctrl-C after the first signal raises KeyboardInterrupt at once.
    """

    def __init__(self) -> None:
        self._number: int | None = None

    def __enter__(self) -> "Interruption":
        self._handled = _handled((signal.SIGINT, signal.SIGTERM), self._note)
        self._handled.__enter__()
        return self

    def __exit__(self, *details: Any) -> None:
        self._handled.__exit__(*details)

    @property
    def noted(self) -> bool:
        """Whether a signal came."""
        return self._number is not None

    def raise_noted(self) -> None:
        """End the work, if a signal came.

        Raises:
            Stopped: a signal came.
        """
        if self._number is not None:
            raise Stopped(self._number)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.noted and number == signal.SIGINT:
            raise KeyboardInterrupt
        self._number = self._number or number


@contextmanager
def sigterm_stops() -> Iterator[None]:
    """Within the block, SIGTERM raises Stopped, as Ctrl-C raises KeyboardInterrupt. By default it ends the process."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Stopped(number)

    with _handled((signal.SIGTERM,), stop):
        yield


@contextmanager
def _handled(signals: Iterable[int], handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Handle signals within the block. Python delivers signals only to the main thread; elsewhere nothing changes."""
    try:
        before = {number: signal.signal(number, handler) for number in signals}
    except ValueError:  # not the main thread
        before = {}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, signal.SIG_DFL if old is None else old)
