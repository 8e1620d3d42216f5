"""A stage on disk: whole or not at all; a stage in time: its schedule, its minutes, its rate."""

import math
from pathlib import Path

import pytest
import torch
from styleroute.training.tiny.checkpoints import Stage
from torch import nn


def _save_half(state: dict, path: Path) -> None:
    path.write_bytes(b"half a checkpoint")
    raise KeyboardInterrupt


def test_an_interrupted_save_leaves_the_old_checkpoint_whole(tmp_path: Path, monkeypatch) -> None:
    stage, model = Stage("kontext", tmp_path, 100, 60, step=7), nn.Linear(2, 2)
    stage.save(model=model)
    weight = model.weight.detach().clone()
    nn.init.zeros_(model.weight)
    stage.step = 8
    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", _save_half)
        with pytest.raises(KeyboardInterrupt):
            stage.save(model=model)
    again = Stage("kontext", tmp_path, 100, 60)
    assert again.restore(model=model)
    assert again.step == 7
    assert torch.equal(model.weight, weight)


def test_there_may_be_no_checkpoint_yet(tmp_path: Path) -> None:
    assert not Stage("kontext", tmp_path, 100, 60).restore(model=nn.Linear(2, 2))


def test_a_checkpoint_written_within_a_step_names_the_next_one(tmp_path: Path) -> None:
    stage = Stage("kontext", tmp_path, 10, 60)
    for step in stage.remaining():
        if step == 3:
            stage.save()
            break
    again = Stage("kontext", tmp_path, 10, 60)
    again.restore()
    assert list(again.remaining()) == [4, 5, 6, 7, 8, 9]


def test_a_piece_ends_with_its_minutes(tmp_path: Path, monkeypatch) -> None:
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    stage, done = Stage("kontext", tmp_path, 100, minutes=2, started=0.0), []
    for step in stage.remaining():
        done.append(step)
        now += 30
    assert done == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("step", "rate"),
    [
        (5, 0.1 * (0.05 + 0.95 * (1 + math.cos(math.pi * 0.005)) / 2)),
        (500, 0.05 + 0.95 / 2),
        (1000, 0.05),
    ],
)
def test_the_rate_warms_up_and_falls_as_a_cosine(tmp_path: Path, step: int, rate: float) -> None:
    assert Stage("kontext", tmp_path, 1000, 60, step=step).rate() == pytest.approx(rate)
