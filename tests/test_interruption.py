"""SIGTERM cleans up like Ctrl-C, in every command."""

import os
import signal
import threading

import pytest
from styleroute import cli
from styleroute.interruption import Interruption, Stopped, sigterm_stops


def _send_sigterm() -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    signal.pause()


def test_sigterm_ends_a_command_like_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a command does after Ctrl-C (saving its progress, removing an unfinished folder) is done."""
    cleaned = []

    def work(name: str, arguments: list[str]) -> None:
        try:
            _send_sigterm()
        except KeyboardInterrupt:
            cleaned.append(name)
            raise

    monkeypatch.setattr(cli, "_run", work)
    before = signal.getsignal(signal.SIGTERM)
    assert cli.main(["data"]) == 128 + signal.SIGTERM
    assert cleaned == ["data"]
    assert signal.getsignal(signal.SIGTERM) is before


def test_handlers_come_back_after_an_error() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(RuntimeError), Interruption():
        raise RuntimeError
    with pytest.raises(Stopped), sigterm_stops():
        _send_sigterm()
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_outside_the_main_thread_the_work_goes_on_without_handlers() -> None:
    done = []

    def work() -> None:
        with Interruption() as interruption, sigterm_stops():
            interruption.raise_noted()
            done.append(interruption.noted)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [False]
