"""The loop of every trainer: its ends, its checkpoints, and the values that it refuses."""

import ast
import math
import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from styleroute.errors import TrainingError
from styleroute.interruption import Stopped
from styleroute.paths import PACK
from styleroute.training import step_trainer
from styleroute.training.checkpoint import Checkpoint
from styleroute.training.step_trainer import Limits, StepTrainer
from torch import Tensor

MakeTrainer = Callable[..., "Numbers"]


class Numbers(StepTrainer):
    """Trains three numbers towards zero."""

    title = "numbers"

    def __init__(self, folder: Path, steps: int = 6, minutes: float = 1.0, identity: str | None = None) -> None:
        super().__init__()
        self._folder, self._limits, self._inputs = folder, Limits(steps, minutes, save_every=2), identity
        self.numbers = torch.ones(3, requires_grad=True)
        self.optimizer = torch.optim.AdamW([self.numbers], lr=0.1)
        self.spoiled = {"loss": 1.0, "gradient": 1.0}
        self.restore(self.optimizer)

    @property
    def limits(self) -> Limits:
        return self._limits

    @property
    def checkpoint(self) -> Checkpoint:
        return Checkpoint(self._folder / "checkpoint.pt")

    @property
    def identity(self) -> str | None:
        return self._inputs

    def weights(self) -> Mapping[str, Tensor]:
        return {"numbers": self.numbers}

    def compute_gradients(self, step: int) -> tuple[dict[str, float], float]:
        loss = (self.numbers * (step + 1)).square().sum()
        loss.backward()
        return {"loss": loss.item() * self.spoiled["loss"]}, self.numbers.grad.norm().item() * self.spoiled["gradient"]

    def set_rate(self, step: int) -> None:
        self.optimizer.param_groups[0]["lr"] = 0.1 / (step + 1)


@pytest.fixture
def make(tmp_path: Path) -> MakeTrainer:
    return lambda **values: Numbers(tmp_path, **values)


def _at(number: int, do: Callable[[], object]) -> Callable[[int], None]:
    return lambda step: do() if step == number else None


def _send(*signals: int) -> Callable[[], None]:
    def send() -> None:
        for number in signals:
            os.kill(os.getpid(), number)

    return send


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_step_and_saves(make: MakeTrainer, number: int) -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    trainer, seen = make(), []

    def on_step(step: int) -> None:
        _at(3, _send(number))(step)
        seen.append(step)

    with pytest.raises(Stopped) as stopped:
        trainer.train(on_step)
    assert stopped.value.exit_code == 128 + number
    assert seen == [1, 2, 3]
    assert make().step == 3
    assert {number: signal.getsignal(number) for number in before} == before


def test_a_signal_within_an_update_waits_for_its_end(make: MakeTrainer) -> None:
    trainer = make()
    update = trainer.optimizer.step
    trainer.optimizer.step = lambda: (_send(signal.SIGTERM)(), update())
    with pytest.raises(Stopped):
        trainer.train()
    assert trainer.whole
    whole = make(steps=1)
    assert whole.step == 1
    assert torch.equal(whole.numbers, trainer.numbers)


def test_a_second_ctrl_c_stops_at_once_and_other_signals_do_not(make: MakeTrainer) -> None:
    """A scheduler may send SIGTERM to a process and to its group."""
    trainer = make()
    with pytest.raises(Stopped):
        trainer.train(_at(1, _send(signal.SIGTERM, signal.SIGTERM)))
    assert make().step == 1
    with pytest.raises(KeyboardInterrupt) as stopped:
        make().train(_at(3, _send(signal.SIGINT, signal.SIGINT)))
    assert not isinstance(stopped.value, Stopped)
    assert make().step == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_goes_on_bit_identical(tmp_path: Path, number: int) -> None:
    whole, pieces = Numbers(tmp_path / "whole"), Numbers(tmp_path / "pieces")
    whole.train()
    with pytest.raises(Stopped):
        pieces.train(_at(3, _send(number)))
    resumed = Numbers(tmp_path / "pieces")
    resumed.train()
    assert resumed.losses == whole.losses
    assert torch.equal(resumed.numbers, whole.numbers)
    mine, theirs = (one.optimizer.state_dict()["state"][0] for one in (resumed, whole))
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs)


def test_the_time_limit_saves(make: MakeTrainer, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer, now = make(), [0.0]
    trainer._started = 0.0
    monkeypatch.setattr(step_trainer, "time", SimpleNamespace(monotonic=lambda: now[0]))
    trainer.train(lambda step: now.__setitem__(0, 20.0 * step))
    monkeypatch.undo()
    assert make().step == 3


@pytest.mark.parametrize("name", ["loss", "gradient"])
def test_values_that_are_not_finite_stop_before_the_update(make: MakeTrainer, name: str) -> None:
    trainer = make()
    with pytest.raises(TrainingError, match=rf"the {name} of step 3 is nan\. Training stopped; the last checkpoint"):
        trainer.train(_at(3, lambda: trainer.spoiled.update({name: math.nan})))
    assert trainer.whole
    assert trainer.step == 3
    assert make().step == 2


def test_weights_that_are_not_finite_are_not_saved(make: MakeTrainer) -> None:
    trainer = make()
    trainer.run_step(0)
    trainer.numbers.data[0] = math.inf
    with pytest.raises(TrainingError, match="the weights of numbers are not finite after step 1"):
        trainer.save()
    assert not trainer.checkpoint.path.exists()


def test_a_run_on_other_inputs_is_refused(make: MakeTrainer) -> None:
    make(identity="these").train()
    with pytest.raises(TrainingError, match="holds a run on other inputs"):
        make(identity="those")


def test_the_mean_loss_is_printed_every_n_steps_and_at_the_end(
    make: MakeTrainer, capsys: pytest.CaptureFixture[str]
) -> None:
    trainer = make(steps=5)
    trainer._limits = Limits(5, 1.0, save_every=2, log_every=2)
    trainer.train()
    lines = capsys.readouterr().out.splitlines()
    losses = trainer.losses
    means = [(losses[0] + losses[1]) / 2, (losses[2] + losses[3]) / 2, losses[4]]
    for line, step, mean in zip(lines, (2, 4, 5), means, strict=True):
        assert line.startswith(f"numbers: step {step} of 5, loss {mean:.4g}, gradient ")
        assert line.endswith(" s a step")


def test_no_line_is_printed_with_log_every_0(make: MakeTrainer, capsys: pytest.CaptureFixture[str]) -> None:
    trainer = make()
    trainer._limits = Limits(6, 1.0, save_every=2, log_every=0)
    trainer.train()
    assert capsys.readouterr().out == ""


def test_no_trainer_has_a_loop_of_its_own() -> None:
    """Only the shared loop updates weights and handles signals, so every trainer stops and saves in the same way."""
    updating = set()
    for file in (PACK / "training").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="step")) if "optimizer" in name:
                    updating.add(file.name)
                case ast.Call(func=ast.Attribute(value=ast.Attribute(attr=name), attr="step")) if "optimizer" in name:
                    updating.add(file.name)
                case ast.Import(names=[ast.alias(name="signal")]):
                    updating.add(file.name)
    assert updating == {"step_trainer.py"}
