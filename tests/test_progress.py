"""Progress of long work without a terminal: one plain line per minute."""

from collections.abc import Iterator

import pytest
from styleroute import progress


class Run:
    """A run of five steps; two are finished."""

    step, steps = 2, 5

    def remaining(self) -> Iterator[int]:
        return iter(range(self.step, self.steps))


@pytest.fixture
def minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that advances one minute with every call."""
    clock = iter(range(0, 10_000, 60))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))


def test_a_log_line_shows_the_remaining_time(minutes: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert list(progress.track_steps(Run(), "experts")) == [2, 3, 4]
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["experts: 3 of 5, 2 min left", "experts: 4 of 5, 1 min left", "experts: 5 of 5, 0 min left"]


def test_a_quick_run_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(progress.track(range(3), "images")) == [0, 1, 2]
    assert capsys.readouterr().out == ""


def test_items_without_a_length_are_counted(minutes: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert list(progress.track(iter("ab"), "images")) == ["a", "b"]
    assert capsys.readouterr().out.splitlines() == ["images: 1", "images: 2"]
