"""The training itself: what a step draws, exact resume, and every way a run can stop."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from pytorch_optimizer import AdaBelief
from styleroute.errors import TrainingError
from styleroute.training.run_folder import RunFolder
from styleroute.training.style_encoder import trainer as module
from styleroute.training.style_encoder.config import EncoderTrainConfig
from styleroute.training.style_encoder.examples import StyleExamples, train_examples
from styleroute.training.style_encoder.images import train_images
from styleroute.training.style_encoder.pipeline import FREE, new_encoder
from styleroute.training.style_encoder.trainer import EncoderTrainer, draw
from styleroute.training.style_encoder.vision import Vision

Start = Callable[..., EncoderTrainer]


@pytest.fixture
def examples(config: EncoderTrainConfig, vision: Vision) -> StyleExamples:
    return train_examples(config, train_images(config.data), vision)


@pytest.fixture
def start(config: EncoderTrainConfig, vision: Vision, examples: StyleExamples) -> Start:
    """A trainer in a named folder; an existing run continues."""

    def start(name: str, examples: StyleExamples = examples, **values) -> EncoderTrainer:
        changed = replace(config, run=config.run.with_name(name), **values)
        run = RunFolder(changed.run, changed, FREE)
        run.begin()
        return EncoderTrainer(changed, run, new_encoder(changed, vision), examples)

    return start


def at(number: int, do: Callable[[], object]) -> Callable[[int], None]:
    """Does something after the step with this number."""
    return lambda step: do() if step == number else None


def kill() -> None:
    raise SystemExit


def test_a_step_draws_two_batches_of_its_own(examples: StyleExamples) -> None:
    batch = draw(examples, 12, seed=0, step=3)
    assert batch.first.shape == (12, 2, 16, 24)
    assert not torch.equal(batch.first, batch.second)
    assert torch.equal(batch.first, draw(examples, 12, seed=0, step=3).first)
    assert not torch.equal(batch.first, draw(examples, 12, seed=0, step=4).first)
    assert not torch.equal(batch.first, draw(examples, 12, seed=1, step=3).first)


def test_the_optimizer_is_the_papers(start: Start) -> None:
    optimizer = start("run", rate=1e-5).optimizer
    assert type(optimizer) is AdaBelief
    [group] = optimizer.param_groups
    assert (group["lr"], group["betas"], group["eps"]) == (1e-5, (0.9, 0.999), 1e-16)
    assert (group["weight_decay"], group["rectify"], group["ams_bound"]) == (0.0, False, False)


def test_it_learns_to_tell_styles_apart(start: Start) -> None:
    trainer = start("run", steps=80)
    trainer.train()
    assert sum(trainer.losses[-10:]) < 0.8 * sum(trainer.losses[:10])


def test_a_killed_run_goes_on_with_the_same_losses_and_weights(start: Start) -> None:
    whole = start("whole")
    whole.train()
    killed = start("killed")
    with pytest.raises(SystemExit):  # as a kill does, it leaves the checkpoint of step 4 alone
        killed.train(at(5, kill))
    resumed = start("killed")
    assert resumed.step == 4
    resumed.train()
    assert resumed.losses == whole.losses
    for name, weight in whole.encoder.state_dict().items():
        assert torch.equal(weight, resumed.encoder.state_dict()[name]), name


def test_nan_stops_and_the_last_good_checkpoint_stays(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    def draw_nan(examples: StyleExamples, batch: int, seed: int, step: int) -> module.EncoderBatch:
        drawn = draw(examples, batch, seed, step)
        return replace(drawn, first=drawn.first * float("nan")) if step == 3 else drawn

    monkeypatch.setattr(module, "draw", draw_nan)
    with pytest.raises(TrainingError, match=r"the loss of step 3 is nan\. .*Lower --rate or raise --temperature"):
        start("run").train()
    assert start("run").step == 2


def test_weights_that_ran_away_are_not_saved(start: Start) -> None:
    trainer = start("run")
    trainer.train()
    with torch.no_grad():
        next(trainer.encoder.parameters()).fill_(float("inf"))
    trainer.step = 7
    with pytest.raises(TrainingError, match=r"the weights of .* are not finite after step 7"):
        trainer.save()
    assert all(weight.isfinite().all() for weight in start("run").encoder.parameters())


def test_a_longer_schedule_goes_on(start: Start) -> None:
    start("run").train()
    longer = start("run", steps=8)
    longer.train()
    assert (longer.step, len(longer.losses)) == (8, 8)


def test_other_images_are_refused(start: Start, examples: StyleExamples) -> None:
    start("run").train()
    with pytest.raises(TrainingError, match="holds a run on other images or another vision model"):
        start("run", examples=replace(examples, identity="another"))


def test_curves_are_written(start: Start) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    trainer = start("run")
    trainer.train()
    events = EventAccumulator(str(Path(trainer.run.path) / "tensorboard")).Reload()
    assert [event.value for event in events.Scalars("loss")] == pytest.approx(trainer.losses)
    assert len(events.Scalars("gradient norm")) == 6
