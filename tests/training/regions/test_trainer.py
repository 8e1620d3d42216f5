"""One process: exact resume, interruption, NaN, no training without maps, and attention moves onto the object."""

import itertools
import math
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from styleroute.attention import PRESETS
from styleroute.errors import TrainingError
from styleroute.flux.latents import pack
from styleroute.flux.noise import sampler_sigmas, shift_sigma
from styleroute.training.regions import trainer as module
from styleroute.training.regions.config import RELEASE
from styleroute.training.regions.examples import draw
from styleroute.training.regions.trainer import RegionTrainer, attention_losses, flow_matching_loss, noise_levels

MakeTrainer = Callable[..., RegionTrainer]
CHOICES = {"paper": {}, "release": RELEASE, "no attention": {"without": "attention"}}


class _Killed(Exception):
    pass


def _at(number: int, do: Callable[[], None]) -> Callable[[int], None]:
    return lambda step: do() if step == number else None


def _kill() -> None:
    raise _Killed


def _require_same_run(trainer: RegionTrainer, whole: RegionTrainer) -> None:
    state, expected = trainer.run.checkpoint.restore(), whole.run.checkpoint.restore()
    assert state["step"] == expected["step"]
    assert state["losses"] == expected["losses"]
    for name, weight in expected["adapter"].items():
        assert torch.equal(state["adapter"][name], weight), name
    for mine, theirs in zip(*(run["optimizer"]["state"].values() for run in (state, expected)), strict=True):
        assert all(torch.equal(mine[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize(("end", "choices"), [("killed", "paper"), ("killed", "release"), ("interrupted", "paper")])
def test_a_resumed_run_is_bit_identical(make_trainer: MakeTrainer, tmp_path: Path, end: str, choices: str) -> None:
    sizes = {"schedule": "cosine", "warmup": 2, "accumulation": 2, **CHOICES[choices]}
    whole = make_trainer(run=tmp_path / "whole", **sizes)
    whole.train()
    assert len(set(whole.losses)) == 6

    first = make_trainer(**sizes)
    if end == "killed":  # after 3 steps, the last checkpoint is that of step 2
        with pytest.raises(_Killed):
            first.train(on_step=_at(3, _kill))
    else:
        with pytest.raises(KeyboardInterrupt):
            first.train(on_step=_at(3, lambda: os.kill(os.getpid(), signal.SIGINT)))
    assert first.run.checkpoint.restore()["step"] == (2 if end == "killed" else 3)
    assert first.losses == whole.losses[:3]

    second = make_trainer(**sizes)
    second.train()
    _require_same_run(second, whole)


def test_attention_moves_onto_the_object(make_trainer: MakeTrainer) -> None:
    """With one example: images of a random autoencoder do not show where several objects are."""
    losses = replace(PRESETS["paper"], focus_weight=1.0, cover_weight=1.0)
    trainer = make_trainer(losses=losses, steps=60, rate=0.02, save_every=100)
    examples = trainer.examples
    trainer.examples = replace(examples, rows=examples.rows[:1], spans=examples.spans[:1])
    shares: list[float] = []
    trainer.train(on_step=lambda step: shares.append(trainer.curves()["attention inside"]))
    assert sum(shares[-8:]) > 1.5 * sum(shares[:8])


def test_the_base_model_stays(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer()
    before = {name: parameter.detach().clone() for name, parameter in trainer.transformer.named_parameters()}
    trainer.train()
    learning = {id(parameter) for parameter in trainer.trained.values()}
    for name, parameter in trainer.transformer.named_parameters():
        assert (id(parameter) in learning) or torch.equal(parameter, before[name]), name
    assert all(weight.any() for name, weight in trainer.trained.items() if ".lora_B." in name)


@pytest.mark.parametrize("choices", CHOICES)
def test_losses_are_the_flow_and_the_losses_with_a_weight(make_trainer: MakeTrainer, choices: str) -> None:
    trainer = make_trainer(**CHOICES[choices])
    losses, objective = trainer.compute_losses(0), trainer.config.objective
    assert list(losses) == (["flow", "loss"] if choices == "no attention" else ["flow", "focus", "cover", "loss"])
    weighted = {"flow": 1.0, "focus": objective.focus_weight, "cover": objective.cover_weight, "loss": 0}
    expected = sum(weighted[name] * loss for name, loss in losses.items())
    assert losses["loss"].item() == pytest.approx(expected.item())


@pytest.mark.parametrize("choices", ["paper", "release"])
def test_the_attention_losses_have_a_gradient_of_their_own(make_trainer: MakeTrainer, choices: str) -> None:
    trainer = make_trainer(**CHOICES[choices])
    losses = trainer.compute_losses(0)
    ups = [weight for name, weight in trainer.trained.items() if ".lora_B." in name and "to_q" in name]
    for name in ("focus", "cover"):
        slopes = torch.autograd.grad(losses[name], ups, retain_graph=True, allow_unused=True)
        assert all(slope is not None and slope.any() for slope in slopes)


def test_maps_are_captured_of_the_tokens_of_the_generated_image(make_trainer: MakeTrainer, monkeypatch) -> None:
    """The original image's tokens follow them, and a map of these would train the wrong image."""
    trainer, rows, hidden = make_trainer(), [], []
    monkeypatch.setattr(trainer.capture, "expect", lambda spans, chosen: rows.append(chosen))
    monkeypatch.setattr(trainer.capture, "take", lambda: {})
    monkeypatch.setattr(trainer, "_attention_losses", lambda batch: {})
    trainer.transformer.register_forward_pre_hook(
        lambda module, arguments, named: hidden.append(named["hidden_states"]), with_kwargs=True
    )
    trainer.compute_losses(0)
    options = trainer.config.optimisation
    batch = draw(trainer.examples, options.batch, options.seed, 0)
    text, original = batch.text[0].shape[1], pack(batch.original)
    [chosen], [image] = rows, hidden
    # Text, generated image and original image follow each other in the attention.
    assert chosen == slice(text, text + original.shape[1])
    assert torch.equal(image[:, original.shape[1] :], original)
    assert not torch.equal(image[:, chosen.start - text : chosen.stop - text], original)


def test_the_model_gets_the_position_of_the_context_image(make_trainer: MakeTrainer, monkeypatch) -> None:
    seen: list[int] = []
    reference = module.Reference
    monkeypatch.setattr(module, "Reference", lambda latents, index: seen.append(index) or reference(latents, index))
    one, other = (make_trainer(reference_index=index).compute_losses(0)["flow"] for index in (1, 0))
    assert seen == [1, 0]
    assert one != other


def test_changed_cells_have_the_configured_weight(make_trainer: MakeTrainer, monkeypatch) -> None:
    seen = []

    def spy(error, target, original, weight):
        seen.append((target, original, weight))
        return error.mean()

    monkeypatch.setattr(module, "weigh_changed", spy)
    trainer = make_trainer(changed_weight=5.0)
    trainer.compute_losses(0)
    [(target, original, weight)] = seen
    batch = draw(trainer.examples, trainer.config.optimisation.batch, trainer.config.optimisation.seed, 0)
    assert torch.equal(target, batch.styled)
    assert torch.equal(original, batch.original)
    assert weight == 5.0


def test_a_share_of_the_noise_levels_is_from_the_first_half_of_sampling() -> None:
    def levels(share: float) -> torch.Tensor:
        return noise_levels(64, share, torch.Generator().manual_seed(0))

    half = shift_sigma(torch.tensor(0.5))
    assert torch.equal(levels(0.0), sampler_sigmas(64, torch.Generator().manual_seed(0)))
    assert (levels(0.0) < half).sum() == 32
    assert (levels(0.5) < half).sum() < 24
    assert (levels(1.0) >= half).all()


def _spoil(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """The fifth loss of this name is NaN."""
    count = itertools.count(1)

    def flow(*arguments):
        true = flow_matching_loss(*arguments)
        return true * math.nan if what == "flow" and next(count) == 5 else true

    def attention(*arguments):
        true = attention_losses(*arguments)
        return {**true, what: true[what] * math.nan} if what != "flow" and next(count) == 5 else true

    monkeypatch.setattr(module, "flow_matching_loss", flow)
    monkeypatch.setattr(module, "attention_losses", attention)


@pytest.mark.parametrize("what", ["flow", "focus", "cover"])
def test_nan_stops_and_the_last_good_checkpoint_stays(
    make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    trainer = make_trainer(save_every=1)
    _spoil(monkeypatch, what)
    with pytest.raises(
        TrainingError, match=rf"the {what} of step 4 is nan\. Training stopped; .*checkpoint in .*run.*Lower --rate"
    ):
        trainer.train()
    state = trainer.run.checkpoint.restore()
    assert state["step"] == 4
    assert trainer.whole
    assert all(torch.equal(weight, state["adapter"][name]) for name, weight in trainer.trained.items())


def test_without_maps_training_stops(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer()
    for block in trainer.transformer.single_transformer_blocks:
        block.attn.set_processor(block.attn._default_processor_cls())
    with pytest.raises(
        TrainingError, match=r"no attention map was captured of single 0, so the attention losses have no input"
    ):
        trainer.train()
    assert trainer.step == 0
    # Without attention losses the same model trains.
    plain = make_trainer(without="attention", run=Path("nowhere"))
    assert plain.compute_losses(0)["loss"].isfinite()


def test_a_run_on_other_examples_is_refused(make_trainer: MakeTrainer) -> None:
    make_trainer(steps=2).train()
    with pytest.raises(TrainingError, match="holds a run on other examples or another base model"):
        make_trainer(identity="other examples")


def _gradients(trainer: RegionTrainer) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    for name, weight in trainer.trained.items():
        if ".lora_B." in name:  # away from zero, where A has no gradient
            weight.data = 0.1 * torch.randn(weight.shape, generator=generator)
    trainer.compute_losses(0)["loss"].backward()
    return {name: weight.grad for name, weight in trainer.trained.items()}


@pytest.mark.parametrize("choices", ["paper", "release"])
def test_checkpointed_gradients_are_the_same(make_trainer: MakeTrainer, choices: str) -> None:
    plain, saving = (_gradients(make_trainer(checkpointing=on, **CHOICES[choices])) for on in (False, True))
    assert all(gradient.any() for gradient in plain.values())
    for name, gradient in plain.items():
        torch.testing.assert_close(saving[name], gradient, rtol=1e-4, atol=1e-6)


def test_bfloat16_trains_with_the_lora_in_float32(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(precision="bf16", steps=3)
    trainer.train()
    assert all(weight.dtype == torch.float32 for weight in trainer.trained.values())
    exact = make_trainer(steps=3, run=Path("nowhere")).compute_losses(0)
    assert trainer.losses[0] == pytest.approx(exact["loss"].item(), rel=0.02)


def test_every_loss_has_a_curve(make_trainer: MakeTrainer) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    trainer = make_trainer(steps=2)
    trainer.train()
    curves = EventAccumulator(str(trainer.run.path / "tensorboard")).Reload()
    values = {name: curves.Scalars(name)[0].value for name in curves.Tags()["scalars"]}
    map_scores = {"attention inside", "attention on the words"}
    assert set(values) == {"flow", "focus", "cover", "loss", "rate", *map_scores}
    assert values["loss"] == pytest.approx(trainer.losses[0])
    assert values["loss"] == pytest.approx(values["flow"] + 0.1 * values["focus"] + 0.2 * values["cover"])
    assert all(0 < values[name] < 1 for name in map_scores)
