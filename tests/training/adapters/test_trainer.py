"""Behaviour of the trainer of any adapter, tested with an adapter that is one vector."""

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from styleroute.errors import StorageError
from styleroute.storage import disk_space as disk
from styleroute.training.adapters.config import Optimisation, RunOptions
from styleroute.training.adapters.optimizer import rate_share
from styleroute.training.adapters.trainer import AdapterTrainer
from styleroute.training.run_folder import RunFolder
from torch import Tensor, nn

COUNT = 1_000_000
CHECKPOINT = 3 * 4 * COUNT
"""Bytes of a checkpoint: weights and two moments in float32."""


@dataclass(frozen=True)
class NumbersConfig:
    """The smallest configuration of a trainer."""

    optimisation: Optimisation
    run: RunOptions


class Numbers(AdapterTrainer):
    """Trains a vector towards zero.

    Attributes:
        factor: factor of the loss.
        pull: distance by which the target moves with each batch.
    """

    factor, pull = 1.0, 0.0

    def add_adapter(self) -> dict[str, nn.Parameter]:
        return {"numbers": self.transformer.numbers}

    def compute_losses(self, number: int) -> dict[str, Tensor]:
        return {"loss": self.factor * (self.transformer.numbers - self.pull * number).square().mean()}

    def example_losses(self, examples: list[float], index: int, generator: torch.Generator) -> dict[str, Tensor]:
        noise = torch.rand((), generator=generator)
        return {"loss": self.transformer.numbers.mean() * examples[index] + noise, "noise": noise}


def _trainer(run: Path, steps: int = 2, **values: Any) -> Numbers:
    model = nn.Module()
    model.numbers = nn.Parameter(torch.ones(COUNT))
    options = Optimisation(1e-3, steps=steps, precision="no", optimizer="adamw", checkpointing=False, **values)
    config = NumbersConfig(options, RunOptions(run, run, minutes=1.0, save_every=1))
    return Numbers(config, RunFolder(run, config), Accelerator(cpu=True), model, None, "nothing")


def test_the_held_out_loss_has_the_same_noise_at_every_call(tmp_path: Path) -> None:
    trainer = _trainer(tmp_path, steps=1)
    first, second = (trainer.held_out_losses([1.0, 2.0, 3.0]) for _ in range(2))
    assert first == second
    assert first["loss"] == pytest.approx(2 + first["noise"])
    trainer.train()
    after = trainer.held_out_losses([1.0, 2.0, 3.0])
    assert after["noise"] == first["noise"]
    assert after["loss"] < first["loss"]


def _leave(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda folder: SimpleNamespace(free=free))


def test_a_checkpoint_has_the_size_that_the_check_of_the_disk_assumes(tmp_path: Path) -> None:
    trainer = _trainer(tmp_path)
    trainer.train()
    assert (tmp_path / "checkpoint.pt").stat().st_size == pytest.approx(CHECKPOINT, rel=0.01)


def test_the_disk_needs_room_for_two_checkpoints_before_the_first_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _leave(monkeypatch, 2 * CHECKPOINT - 1)
    with pytest.raises(StorageError, match=r"checkpoints need 22\.9 MiB in .*run, but only 22\.9 MiB are free"):
        _trainer(tmp_path / "run")
    assert not (tmp_path / "run").exists()
    _leave(monkeypatch, 2 * CHECKPOINT)
    _trainer(tmp_path / "run")


def test_a_resumed_run_needs_room_for_one_more_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _trainer(tmp_path, steps=1).train()
    _leave(monkeypatch, CHECKPOINT)
    _trainer(tmp_path)
    _leave(monkeypatch, CHECKPOINT - 1)
    with pytest.raises(StorageError, match=r"checkpoints need 11\.4 MiB"):
        _trainer(tmp_path)


def test_a_finished_run_needs_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _trainer(tmp_path).train()
    _leave(monkeypatch, 0)
    _trainer(tmp_path)


def test_only_the_process_that_saves_checks_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _leave(monkeypatch, 0)
    monkeypatch.setattr(Accelerator, "is_main_process", False)
    _trainer(tmp_path / "run")


def _spy_on_updates(trainer: Numbers, monkeypatch: pytest.MonkeyPatch) -> tuple[list[float], list[float]]:
    """The norm of the gradient and the learning rate of every update."""
    norms, rates, update = [], [], trainer.optimizer.step

    def step() -> None:
        norms.append(trainer.transformer.numbers.grad.norm().item())
        rates.append(trainer.optimizer.param_groups[0]["lr"])
        update()

    monkeypatch.setattr(trainer.optimizer, "step", step)
    return norms, rates


@pytest.mark.parametrize(("factor", "norm"), [(1e6, 1.0), (1.0, 0.002)])
def test_a_large_gradient_is_shortened_to_one_and_a_small_one_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, factor: float, norm: float
) -> None:
    trainer = _trainer(tmp_path, steps=1)
    trainer.factor = factor
    norms, _ = _spy_on_updates(trainer, monkeypatch)
    trainer.train()
    assert norms == [pytest.approx(norm, rel=1e-3)]


def test_every_update_has_the_rate_of_its_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = _trainer(tmp_path, steps=6, warmup=3, schedule="cosine")
    _, rates = _spy_on_updates(trainer, monkeypatch)
    trainer.train()
    options = trainer.config.optimisation
    assert rates == [pytest.approx(options.rate * rate_share(options, step)) for step in range(6)]
    assert rates[0] == pytest.approx(options.rate / 3)


DECAY = 0.6


def _pulled(run: Path, steps: int, **values: Any) -> Numbers:
    trainer = _trainer(run, steps, ema=DECAY, **values)
    trainer.pull = 0.1
    return trainer


def test_the_average_follows_its_definition(tmp_path: Path) -> None:
    trainer, expected, step = _pulled(tmp_path, 5), 1.0, 0

    def follow(number: int) -> None:
        nonlocal expected, step
        step, kept = number, min(DECAY, (1 + number) / (10 + number))
        expected = kept * expected + (1 - kept) * trainer.transformer.numbers[0].item()

    trainer.train(on_step=follow)
    assert step == 5
    assert trainer.average.average["numbers"][0].item() == pytest.approx(expected, rel=1e-6)
    trained = trainer.transformer.numbers.detach().clone()
    with trainer.averaged():
        assert torch.equal(trainer.transformer.numbers, trainer.average.average["numbers"])
        assert not torch.equal(trainer.transformer.numbers, trained)
    assert torch.equal(trainer.transformer.numbers, trained)


def test_a_resumed_average_is_bit_identical(tmp_path: Path) -> None:
    whole, first = _pulled(tmp_path / "whole", 4), _pulled(tmp_path / "pieces", 2)
    whole.train()
    first.train()
    second = _pulled(tmp_path / "pieces", 4)
    assert torch.equal(second.average.average["numbers"], first.average.average["numbers"])
    second.train()
    assert torch.equal(second.transformer.numbers, whole.transformer.numbers)
    assert torch.equal(second.average.average["numbers"], whole.average.average["numbers"])


def test_a_checkpoint_without_an_average_resumes(tmp_path: Path) -> None:
    """Older versions stored no average, and a run without EMA stores none."""
    trainer = _trainer(tmp_path, steps=1)
    trainer.train()
    assert "average" not in trainer.checkpoint.restore()
    assert _trainer(tmp_path, steps=2).step == 1


def test_the_check_of_the_disk_counts_the_average(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _leave(monkeypatch, 2 * CHECKPOINT)
    with pytest.raises(StorageError, match=r"checkpoints need 30\.5 MiB"):
        _trainer(tmp_path / "run", ema=DECAY)
