"""Options of the training of experts: defaults from the paper, presets, command line, impossible values."""

import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
import tyro
from styleroute.cli import train
from styleroute.errors import TrainingError
from styleroute.training.adapters.config import with_options
from styleroute.training.experts.config import PRESETS, ExpertsTrainConfig
from styleroute.training.experts.routed_linear import AdapterConfig, BatchStyle, RoutedLinear
from torch import nn

OPTIONS = """
accumulation adapter.alpha adapter.cond-dim adapter.experts adapter.rank adapter.routing adapter.shared-rank
adapter.top-k balance-weight base batch cache checkpointing compile condition data detail-share encoder grid guidance
minutes no-checkpointing no-compile no-style-reference optimizer output precision preset rate reference-dropout
routing-dropout run save-every schedule seed start steps style-reference style-rows validate-every vision warmup
whole-share window
"""


def _parameters(adapter: AdapterConfig) -> int:
    """Number of parameters of an adapted layer, without the gate."""
    layer = RoutedLinear(nn.Linear(20, 30), BatchStyle(), adapter)
    named = {name: parameter.numel() for name, parameter in layer.named_parameters()}
    return sum(count for name, count in named.items() if not name.startswith(("base.", "cond_gate.")))


def test_the_papers_values_are_the_defaults() -> None:
    config = ExpertsTrainConfig()
    assert config == PRESETS["paper"] == next(iter(PRESETS.values()))
    adapter = config.model.adapter
    assert (adapter.experts, adapter.rank, adapter.top_k, adapter.routing) == (16, 8, 2, "paper")
    options = config.optimisation
    assert (options.rate, options.steps, options.batch, options.schedule) == (1e-4, 10_000, 1, "constant")
    assert (config.model.condition, config.objective.style_reference) == ("style-encoder", False)
    assert options.precision == "bf16"


@pytest.mark.parametrize("size", ["", "small-"])
def test_a_single_lora_has_the_budget_of_all_experts_and_sees_the_style(size: str) -> None:
    full, single = PRESETS[size.rstrip("-") or "paper"], PRESETS[f"{size}single-lora"]
    assert _parameters(single.model.adapter) == _parameters(full.model.adapter)
    assert single.model.adapter.scale == full.model.adapter.scale
    assert (single.model.condition, single.model.encoder, single.objective.style_reference) == ("none", None, True)
    assert single.model.adapter.experts == 0


@pytest.mark.parametrize("size", ["", "small-"])
def test_the_other_variants_differ_in_one_thing_each(size: str) -> None:
    full = PRESETS[size.rstrip("-") or "paper"]
    blind, release = PRESETS[f"{size}no-encoder"], PRESETS[f"{size}release-1"]
    assert with_options(blind, run=full.run.folder) == with_options(full, condition="pooled-latents", encoder=None)
    adapter = replace(full.model.adapter, routing="release-1")
    assert with_options(release, run=full.run.folder) == with_options(full, adapter=adapter)
    shown = PRESETS[f"{size}style-reference"]
    assert with_options(shown, run=full.run.folder) == with_options(full, style_reference=True)
    assert shown.run.folder.name == f"{full.run.folder.name}_style_reference"
    assert len({preset.run.folder for preset in PRESETS.values()}) == len(PRESETS)


@pytest.mark.parametrize("size", ["", "small-"])
def test_the_wide_one_differs_from_the_one_with_a_style_reference_in_its_shared_expert(size: str) -> None:
    shown, wide = PRESETS[f"{size}style-reference"], PRESETS[f"{size}wide"]
    adapter = replace(shown.model.adapter, shared_rank=96)
    assert with_options(wide, run=shown.run.folder) == with_options(shown, adapter=adapter, routing_dropout=0.5)


def test_the_command_line_has_one_flat_list_of_options(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit):
        tyro.cli(train.SUBCOMMANDS["experts"].chosen([]), args=["--help"])
    found = set(re.findall(r"--[a-z][a-z.-]*[a-z]", capsys.readouterr().out))
    assert found >= {f"--{name}" for name in OPTIONS.split()}
    assert not {name for name in found if "." in name and not name.startswith("--adapter.")}


def test_the_command_line_starts_from_a_preset(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[ExpertsTrainConfig] = []
    command = replace(train.SUBCOMMANDS["experts"], run=seen.append)
    arguments = ["--preset", "small-no-encoder", "--adapter.rank", "4", "--data", "mine"]
    tyro.cli(command.chosen(arguments), args=arguments)
    expected = PRESETS["small-no-encoder"]
    assert seen == [with_options(expected, adapter=replace(expected.model.adapter, rank=4), data=Path("mine"))]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"steps": 0}, "steps is 0, expected 1 or more"),
        ({"warmup": -1}, "warmup is -1, expected 0 or more"),
        ({"seed": -1}, "seed is -1, expected 0 or more"),
        ({"rate": 0.0}, "rate is 0.0, expected a number above 0"),
        ({"rate": float("nan")}, "rate is nan, expected a number above 0"),
        ({"window": 7}, "window is 7, expected an even number"),
        ({"whole_share": 1.5}, "whole_share is 1.5, expected a share"),
        ({"routing_dropout": 1.0, "style_reference": True}, "routing_dropout is 1.0, expected a share"),
        ({"routing_dropout": 0.5}, "routing_dropout is 0.5, but .* Give --style-reference, or --rout"),
        ({"detail_share": -0.1}, "detail_share is -0.1, expected a share"),
        (
            {"reference_dropout": 0.5},
            "reference_dropout is 0.5, but the model gets no style reference",
        ),
        ({"balance_weight": -1.0}, "balance_weight is -1.0, expected 0 or more"),
        ({"balance_weight": math.nan}, "balance_weight is nan, expected 0 or more"),
        ({"grid": 48}, "grid is 48 tokens, expected a --window"),
        ({"grid": 3, "window": 8}, "grid is 3 tokens, expected 4 or more"),
        ({"condition": "none"}, "condition is 'none' with 16 routed experts"),
        ({"encoder": None}, "no encoder file is given: train an encoder"),
        ({"output": Path("experts.pt")}, r"expected a file name that ends in \.safetensors"),
    ],
)
def test_impossible_values_are_refused(values: dict, sentence: str) -> None:
    with pytest.raises(TrainingError, match=sentence):
        with_options(ExpertsTrainConfig(), **values)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"rank": 0}, "rank is 0, expected 1 or more"),
        ({"top_k": 17}, "top_k is 17, but there are only 16 experts"),
        ({"cond_dim": 0}, "cond_dim is 0, expected 1 or more"),
        ({"alpha": 0.0}, r"the scale of the experts is 0\.0 .*Give another alpha"),
        ({"rank": 32, "routing": "release-1"}, r"the scale of the experts is 0\.0 .*a rank of at most 16"),
    ],
)
def test_impossible_sizes_are_refused(values: dict, sentence: str) -> None:
    with pytest.raises(TrainingError, match=sentence):
        AdapterConfig(**values)


def test_one_plain_lora_knows_no_routing_arithmetic() -> None:
    assert AdapterConfig(experts=0, shared_rank=136, alpha=272.0, cond_dim=0, routing="release-1").scale == 2.0
