"""A stage on disk and in time: whole checkpoints, its steps, its minutes, its rate, and the precision of its start."""

import math
import os
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from styleroute.errors import TrainingError
from styleroute.interruption import Stopped
from styleroute.training import step_trainer
from styleroute.training.tiny import stage as module
from styleroute.training.tiny.stage import Stage, StageTrainer, rate_share
from torch import Tensor, nn

MakeTrainer = Callable[..., StageTrainer]


@pytest.fixture
def make(tmp_path: Path) -> MakeTrainer:
    """Makes the trainer of a single layer whose loss needs a matrix product."""

    def make(steps: int = 10, minutes: float = 60, seen: list | None = None) -> StageTrainer:
        torch.manual_seed(0)
        model = nn.Linear(4, 4)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)

        def loss_of(step: int) -> Tensor:
            output = model(torch.full((2, 4), float(step + 1)))
            if seen is not None:
                seen.append(output.dtype)
            return output.float().square().mean()

        return StageTrainer(Stage("kontext", tmp_path, steps, minutes), model, optimizer, loss_of)

    return make


def test_an_interrupted_save_leaves_the_old_checkpoint_whole(make: MakeTrainer, monkeypatch) -> None:
    def save_half(state: dict, path: Path) -> None:
        path.write_bytes(b"half a checkpoint")
        raise KeyboardInterrupt

    trainer = make(steps=3)
    trainer.train()
    weight = trainer.model.weight.detach().clone()
    longer = make(steps=4)
    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", save_half)
        with pytest.raises(KeyboardInterrupt):
            longer.train()
    again = make()
    assert again.step == 3
    assert torch.equal(again.model.weight, weight)


def test_a_stage_goes_on_after_its_last_saved_step(make: MakeTrainer) -> None:
    make(steps=4).train()
    again, steps = make(), []
    assert again.step == 4
    again.train(steps.append)
    assert steps == [5, 6, 7, 8, 9, 10]


def test_a_piece_ends_with_its_minutes(make: MakeTrainer, monkeypatch) -> None:
    trainer, now = make(steps=100, minutes=2), [0.0]
    trainer._started = 0.0
    monkeypatch.setattr(step_trainer, "time", SimpleNamespace(monotonic=lambda: now[0]))
    trainer.train(lambda step: now.__setitem__(0, 30.0 * step))
    assert trainer.step == 4


@pytest.mark.parametrize(
    ("steps_done", "rate"),
    [
        (5, 0.1 * (0.05 + 0.95 * (1 + math.cos(math.pi * 0.005)) / 2)),
        (500, 0.05 + 0.95 / 2),
        (1000, 0.05),
    ],
)
def test_the_rate_warms_up_and_falls_as_a_cosine(steps_done: int, rate: float) -> None:
    assert rate_share(steps_done - 1, 1000) == pytest.approx(rate)


@pytest.mark.parametrize("first", [False, True])
def test_a_resumed_stage_computes_in_the_precision_of_its_start(make: MakeTrainer, monkeypatch, first: bool) -> None:
    """The CPU of the second start may have other kernels than that of the first."""
    expected = torch.bfloat16 if first else torch.float32
    for kernels, steps in ((first, 2), (not first, 4)):
        seen: list[torch.dtype] = []
        monkeypatch.setattr(module, "has_bf16_kernels", lambda kernels=kernels: kernels)
        make(steps=steps, seen=seen).train()
        assert seen == [expected] * 2


def test_a_stage_of_an_older_version_goes_on_in_bfloat16(make: MakeTrainer, monkeypatch) -> None:
    trainer = make(steps=2)
    trainer.train()
    state = trainer.checkpoint.restore()
    del state["bf16"]
    trainer.checkpoint.save(state)
    monkeypatch.setattr(module, "has_bf16_kernels", lambda: False)
    assert make().bf16


def test_sigterm_saves_the_stage(make: MakeTrainer) -> None:
    trainer = make()
    with pytest.raises(Stopped):
        trainer.train(lambda step: os.kill(os.getpid(), signal.SIGTERM) if step == 3 else None)
    assert make().step == 3


def test_a_stage_writes_curves_and_prints_its_loss(
    make: MakeTrainer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    make(steps=2).train()
    events = EventAccumulator(str(tmp_path / "curves" / "kontext" / "tensorboard")).Reload()
    assert [event.step for event in events.Scalars("loss")] == [0]
    assert "kontext: step 2 of 2, loss " in capsys.readouterr().out


def test_a_checkpoint_of_another_model_is_refused(make: MakeTrainer) -> None:
    trainer = make(steps=1)
    trainer.train()
    state = trainer.checkpoint.restore()
    trainer.checkpoint.save({**state, "model": {"weight": torch.zeros(3, 4)}})
    with pytest.raises(TrainingError, match=r"has \[3, 4\] for the weight weight, expected \[4, 4\]\. Resume the run"):
        make()
