"""The setup of processes, and what it says about a launch that starts one process only."""

from collections.abc import Iterator

import pytest
from accelerate.state import AcceleratorState
from styleroute.training.adapters import running
from styleroute.training.adapters.running import EMULATED, ONE_PROCESS, start_accelerator


@pytest.fixture(autouse=True)
def fresh_accelerator() -> Iterator[None]:
    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.mark.parametrize("launched", [True, False])
def test_a_launch_for_the_cpu_says_that_it_starts_one_process(
    launched: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`accelerate launch --cpu --num_processes 2` sets this variable, and starts one process without a word."""
    if launched:
        monkeypatch.setenv("ACCELERATE_USE_CPU", "True")
    else:
        monkeypatch.delenv("ACCELERATE_USE_CPU", raising=False)
    assert start_accelerator("no").num_processes == 1
    assert (ONE_PROCESS in capsys.readouterr().out) == launched


@pytest.mark.parametrize(("precision", "kernels"), [("bf16", True), ("bf16", False), ("no", False)])
def test_bfloat16_on_a_cpu_without_its_instructions_is_announced(
    precision: str, kernels: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(running, "has_bf16_kernels", lambda: kernels)
    device = start_accelerator(precision).device.type
    announced = device == "cpu" and precision == "bf16" and not kernels
    assert (EMULATED in capsys.readouterr().out) == announced
