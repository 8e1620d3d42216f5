"""One process: exact resume, interruption, NaN, memory savers."""

import itertools
import math
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from styleroute.errors import TrainingError
from styleroute.training.experts import trainer as module
from styleroute.training.experts.trainer import ExpertsTrainer, flow_matching_loss

MakeTrainer = Callable[..., ExpertsTrainer]


class _Killed(Exception):
    pass


def _at(number: int, do: Callable[[], None]) -> Callable[[int], None]:
    return lambda step: do() if step == number else None


def _kill() -> None:
    raise _Killed


def _require_same_run(trainer: ExpertsTrainer, whole: ExpertsTrainer) -> None:
    state, expected = trainer.run.checkpoint.restore(), whole.run.checkpoint.restore()
    assert state["step"] == expected["step"]
    assert state["losses"] == expected["losses"]
    for name, weight in expected["adapter"].items():
        assert torch.equal(state["adapter"][name], weight), name
    for mine, theirs in zip(*(run["optimizer"]["state"].values() for run in (state, expected)), strict=True):
        assert all(torch.equal(mine[name], theirs[name]) for name in theirs)


def test_whole_images_are_spread_over_the_steps_and_have_as_many_tokens(
    make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def spy(examples, count, window, seed, number, grid):
        seen.append((number, count, window, grid))
        return draw(examples, count, window, seed, number, grid)

    draw = module.draw
    monkeypatch.setattr(module, "draw", spy)
    trainer = make_trainer(window=4, whole_share=0.5, grid=20, batch=8, accumulation=2, steps=4)
    height, width = trainer.examples.size
    trainer.train()
    few = 8 * 16 // (height * width)
    kinds = [(8, 4, 20), (8, 4, 20), (few, None, 20), (few, None, 20)] * 2
    assert seen == [(number, *kind) for number, kind in enumerate(kinds)]
    assert few >= 1


def test_half_of_the_batches_have_no_style_reference(make_trainer: MakeTrainer, monkeypatch) -> None:
    seen = []

    def spy(*arguments):
        seen.append(arguments[5].style_reference)
        return flow_matching_loss(*arguments)

    monkeypatch.setattr(module, "flow_matching_loss", spy)
    make_trainer(reference_dropout=0.5, style_reference=True, batch=1, steps=16).train()
    assert 3 < sum(seen) < 13


def test_the_trainer_uses_the_share_of_detail_and_the_balance_loss(make_trainer: MakeTrainer, monkeypatch) -> None:
    """Neither changes the other random choices, so the first loss differs by exactly what the option adds."""
    first = {name: make_trainer(**values).compute_losses(0)["loss"].item() for name, values in {
        "plain": {}, "detail": {"detail_share": 0.999}}.items()}  # fmt: skip
    assert first["plain"] != first["detail"]
    balanced = make_trainer(balance_weight=0.5)
    losses = balanced.compute_losses(0)
    added = losses["loss"].item() - first["plain"]
    assert losses["flow"].item() == first["plain"]
    style = module.draw(balanced.examples, *balanced._batch_shape(0), 0, balanced.own_number(0)[0]).style
    assert added == pytest.approx(0.5 * module.balance_loss(balanced.routed, style).item(), abs=1e-4)


def test_noise_levels_are_lower_with_a_share_of_detail() -> None:
    count = 4000
    generator = torch.Generator().manual_seed(0)
    sampler, half, detail = (module.noise_levels(count, share, generator) for share in (0.0, 0.5, 0.999))
    assert detail.mean().item() == pytest.approx(0.5, abs=0.02)
    assert half.mean().item() == pytest.approx((sampler.mean().item() + 0.5) / 2, abs=0.02)
    # The largest difference is among the low levels, where strokes are made.
    assert (half < 0.3).float().mean() > 1.4 * (sampler < 0.3).float().mean()


@pytest.mark.parametrize("end", ["killed", "interrupted", "out of time"])
def test_a_resumed_run_is_bit_identical(make_trainer: MakeTrainer, tmp_path: Path, end: str) -> None:
    sizes = {"schedule": "cosine", "warmup": 2, "accumulation": 2, "window": 4, "style_reference": True}
    sizes |= {"routing_dropout": 0.5, "reference_dropout": 0.5, "detail_share": 0.5, "balance_weight": 0.1, "grid": 9}
    whole = make_trainer(run=tmp_path / "whole", **sizes)
    whole.train()
    assert len(whole.losses) == 6
    assert len(set(whole.losses)) == 6

    first = make_trainer(**sizes)
    if end == "killed":  # after 3 steps, the last checkpoint is that of step 2
        with pytest.raises(_Killed):
            first.train(on_step=_at(3, _kill))
    elif end == "interrupted":
        with pytest.raises(KeyboardInterrupt):
            first.train(on_step=_at(3, lambda: os.kill(os.getpid(), signal.SIGINT)))
    else:
        first.train(on_step=_at(3, lambda: setattr(first, "_started", -math.inf)))
    assert first.run.checkpoint.restore()["step"] == (2 if end == "killed" else 3)

    second = make_trainer(**sizes)
    second.train()
    _require_same_run(second, whole)


def test_about_half_of_the_examples_have_no_routed_experts(make_trainer: MakeTrainer, monkeypatch) -> None:
    seen = []

    def spy(*arguments):
        seen.append(arguments[-1])
        return flow_matching_loss(*arguments)

    monkeypatch.setattr(module, "flow_matching_loss", spy)
    make_trainer(routing_dropout=0.5, style_reference=True, batch=16, steps=4).train()
    kept = torch.stack(seen)
    assert kept.shape == (4, 16)
    assert 16 < kept.sum() < 48
    assert len({tuple(rows.tolist()) for rows in kept}) == 4


def test_experts_are_trained_and_the_base_model_stays(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer()
    before = {name: parameter.detach().clone() for name, parameter in trainer.transformer.named_parameters()}
    trainer.train()
    learning = {id(parameter) for parameter in trainer.trained.values()}
    for name, parameter in trainer.transformer.named_parameters():
        assert parameter.requires_grad == (id(parameter) in learning)
        if not parameter.requires_grad:
            assert torch.equal(parameter, before[name]), name
    assert all(weight.any() for name, weight in trainer.trained.items() if name.endswith("shared_B"))


def _spoil(monkeypatch: pytest.MonkeyPatch, spoiled: Callable[[torch.Tensor], torch.Tensor]) -> None:
    """Apply ``spoiled`` to the fifth loss."""
    count = itertools.count(1)

    def loss(*arguments):
        true = flow_matching_loss(*arguments)
        return spoiled(true) if next(count) == 5 else true

    monkeypatch.setattr(module, "flow_matching_loss", loss)


@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_nan_stops_and_the_last_good_checkpoint_stays(
    make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    trainer = make_trainer(save_every=1)
    weight = next(iter(trainer.trained.values()))
    # The second has a finite value and no finite gradient: the root of 0.
    spoils = {"loss": lambda loss: loss * math.nan, "gradient": lambda loss: loss + (weight.sum() * 0).sqrt()}
    _spoil(monkeypatch, spoils[what])
    with pytest.raises(
        TrainingError, match=rf"the {what} of step 4 is nan\. Training stopped; .*checkpoint in .*run.*Lower --rate"
    ):
        trainer.train()
    state = trainer.run.checkpoint.restore()
    assert state["step"] == 4
    assert all(weight.isfinite().all() for weight in state["adapter"].values())
    # The weights in memory are those of the checkpoint, so the expert file gets finite weights.
    assert trainer.whole
    assert all(torch.equal(weight, state["adapter"][name]) for name, weight in trainer.trained.items())


def test_a_run_resumes_only_with_the_same_number_of_processes(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(steps=2)
    trainer.train()
    state = trainer.run.checkpoint.restore()
    assert state["processes"] == 1
    trainer.run.checkpoint.save({**state, "processes": 2})
    with pytest.raises(TrainingError, match=r"holds a run on 2 processes, this run has 1\. Start 2"):
        make_trainer(steps=4)


def test_a_second_interruption_leaves_no_half_update(
    make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = make_trainer(save_every=2)

    def interrupted() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    def on_step(step: int) -> None:
        if step == 3:
            monkeypatch.setattr(trainer.optimizer, "step", interrupted)

    with pytest.raises(KeyboardInterrupt):
        trainer.train(on_step)
    assert not trainer.whole
    assert trainer.run.checkpoint.restore()["step"] == 2


def test_a_run_on_other_triplets_is_refused(make_trainer: MakeTrainer) -> None:
    make_trainer(steps=2).train()
    with pytest.raises(TrainingError, match="holds a run on other triplets, another base model, another style encoder"):
        make_trainer(identity="other triplets")


def _gradients(trainer: ExpertsTrainer) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    for name, weight in trainer.trained.items():
        if name.endswith("B"):  # away from zero, where A and the gate have no gradient
            weight.data = 0.1 * torch.randn(weight.shape, generator=generator)
    trainer.compute_losses(0)["loss"].backward()
    return {name: weight.grad for name, weight in trainer.trained.items()}


def test_checkpointed_gradients_are_the_same(make_trainer: MakeTrainer) -> None:
    plain, saving = (_gradients(make_trainer(checkpointing=on)) for on in (False, True))
    assert all(gradient.any() for gradient in plain.values())
    for name, gradient in plain.items():
        torch.testing.assert_close(saving[name], gradient, rtol=1e-5, atol=1e-7)


def test_accumulated_batches_have_the_gradient_of_their_mean(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(accumulation=2)
    losses = [trainer.compute_losses(number)["loss"] for number in range(2)]
    expected = (losses[0] + losses[1]) / 2
    trainer.run_step(0)
    assert trainer.losses == [pytest.approx(expected.item())]
    with torch.no_grad():
        assert trainer.compute_losses(0)["loss"] < losses[0]


def test_bfloat16_trains_with_experts_in_float32(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(precision="bf16", steps=4)
    trainer.train()
    assert all(weight.dtype == torch.float32 for weight in trainer.trained.values())
    exact = make_trainer(steps=4, run=Path("nowhere"))
    assert trainer.losses[0] == pytest.approx(exact.compute_losses(0)["loss"].item(), rel=0.02)


def test_curves_and_usage_are_logged(make_trainer: MakeTrainer) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    trainer = make_trainer(steps=2)
    trainer.train()
    curves = EventAccumulator(str(trainer.run.path / "tensorboard")).Reload()
    shares = [curves.Scalars(f"usage/expert {expert:02}")[0].value for expert in range(4)]
    assert sum(shares) == pytest.approx(1)
    assert curves.Scalars("loss")[0].value == pytest.approx(trainer.losses[0])
    assert curves.Scalars("rate")[0].value == pytest.approx(1e-2)


def test_seed_and_number_each_change_the_noise(make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[torch.Tensor] = []
    monkeypatch.setattr(module, "flow_matching_loss", lambda model, batch, noise, *rest: drawn.append(noise))
    for seed, number in ((0, 0), (0, 1), (1, 0), (1, 1), (0, 0)):
        make_trainer(seed=seed).compute_losses(number)["loss"]
    assert torch.equal(drawn[0], drawn[4])
    assert all(not torch.equal(one, other) for one, other in itertools.combinations(drawn[:4], 2))
