"""Mixtures of experts in diffusers: every method runs, and those of the same formula agree."""

import pytest
import torch
from styleroute.benchmarks import mixtures
from styleroute.benchmarks.all_ratios import diffusers_sizes
from styleroute.benchmarks.budget import Budget
from styleroute.benchmarks.comfy_ratios import ModelSizes
from styleroute.benchmarks.random_transformer import (
    random_latents,
    random_transformer,
    velocity_of,
    with_the_weights_of,
)
from styleroute.training.experts.routed_linear import AdapterConfig, BatchStyle, RoutedLinear

SIZES = diffusers_sizes(ModelSizes(128, 1, 1, 4))


@pytest.fixture(scope="module")
def bare():
    return random_transformer(SIZES)


def test_each_mixture_has_a_row(bare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mixtures, "random_transformer", lambda *_: bare)
    rows = list(mixtures.run_benchmark(SIZES, pairs=2, cells=4, name="hidden 128"))
    assert [row.what.removeprefix("step in diffusers, ") for row in rows] == list(mixtures.MIXTURES)
    assert all(len(row.values) == 2 and row.limit is None and row.size == "hidden 128" for row in rows)


def test_after_the_time_limit_mixtures_are_left_out(bare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mixtures, "random_transformer", lambda *_: bare)
    (found,) = mixtures.run_benchmark(SIZES, pairs=2, cells=4, name="hidden 128", budget=Budget(0.0))
    assert found == "hidden 128, mixtures in diffusers: not measured, because the time limit is reached"


@pytest.mark.parametrize("name", mixtures.MIXTURES)
def test_a_mixture_changes_every_attention_and_feed_forward_layer(bare, name: str) -> None:
    model = mixtures.with_mixture(bare, mixtures.MIXTURES[name])
    changed = {path for path, module in model.named_modules() if type(module) in (*_LAYERS, RoutedLinear)}
    assert len(changed) == 12 + 5
    latents = random_latents(1, 4)
    with torch.no_grad():
        torch.manual_seed(0)
        velocity = velocity_of(model, *latents)()
        torch.manual_seed(0)
        expected = velocity_of(bare, *latents)()
    torch.testing.assert_close(velocity, expected)  # up-projections start at zero


@pytest.mark.parametrize("name", mixtures.MIXTURES)
def test_a_mixture_runs_in_bfloat16_as_on_a_graphics_card(bare, name: str) -> None:
    half = with_the_weights_of(bare).to(torch.bfloat16)
    model = mixtures.with_mixture(half, mixtures.MIXTURES[name])
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert velocity_of(model, *random_latents(1, 4))().isfinite().all()


def test_a_twin_shares_its_weights(bare) -> None:
    twin = with_the_weights_of(bare)
    own = dict(bare.named_parameters())
    assert all(weight.data_ptr() == own[name].data_ptr() for name, weight in twin.named_parameters())


def test_one_product_per_expert_gives_the_numbers_of_the_routed_layer() -> None:
    config, style = AdapterConfig(experts=5, rank=3, shared_rank=3, cond_dim=7), BatchStyle()
    style.set(torch.randn(2, 7))
    base = torch.nn.Linear(6, 9)
    ours, theirs = RoutedLinear(base, style, config), mixtures.PerExpertLinear(base, style, config)
    for weight in (ours.loraB, ours.shared_B):
        weight.data.normal_()
    theirs.down.data = torch.cat([ours.loraA, ours.shared_A]).data
    theirs.up.data = torch.cat([ours.loraB, ours.shared_B]).data
    theirs.gate.weight.data = ours.cond_gate.weight.data
    hidden = torch.randn(2, 4, 6)
    torch.testing.assert_close(theirs(hidden), ours(hidden))


def _peft_linear() -> type:
    from peft.tuners.lora import Linear

    return Linear


_LAYERS = (mixtures.PerExpertLinear, _peft_linear())
