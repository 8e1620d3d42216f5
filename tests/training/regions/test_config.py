"""Options of region training: defaults from the paper, presets, command line, impossible values."""

import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
import tyro
from diffusers import FluxTransformer2DModel
from styleroute.attention import PRESETS as LOSSES
from styleroute.cli import train
from styleroute.errors import TrainingError
from styleroute.training.adapters.config import option_values, with_options
from styleroute.training.regions.config import ABLATIONS, PRESETS, RELEASE, RegionObjective, RegionTrainConfig
from styleroute.training.regions.lora import add_lora

OPTIONS = """
accumulation adapted base batch blocks cache changed-weight checkpointing data early-share guidance half losses.alpha
losses.cover-weight losses.direction losses.epsilon losses.focus-weight losses.over-spans losses.relative losses.slice
losses.tau minutes no-checkpointing no-half optimizer output precision rank rate reference-index root run save-every
schedule seed steps styles supervise task text-tokens validate-every warmup without
"""


def test_the_papers_values_are_the_defaults() -> None:
    config = RegionTrainConfig()
    assert config == PRESETS["paper"] == next(iter(PRESETS.values()))
    options, objective = config.optimisation, config.objective
    assert (options.rate, options.steps, options.batch, options.accumulation) == (1e-4, 5_000, 2, 4)
    assert (options.schedule, options.warmup, options.precision) == ("constant", 0, "bf16")
    assert (config.model.rank, config.model.adapted, config.model.text_tokens) == (4, "both", 77)
    assert (objective.losses.slice, objective.losses.direction) == ("all", "map||mask")
    assert (objective.focus_weight, objective.cover_weight) == (0.1, 0.2)
    assert (objective.blocks, objective.supervise, objective.reference_index) == ("all", "mean-map", 1)


def test_the_release_differs_where_it_does() -> None:
    config, objective = PRESETS["release"], PRESETS["release"].objective
    assert (objective.losses.slice, objective.losses.direction) == ("span", "mask||map")
    assert (objective.losses.tau, objective.losses.alpha) == (0.1, 2.0)
    assert (objective.focus_weight, objective.cover_weight) == (0.1, 5e-5)
    assert (objective.blocks, objective.supervise, objective.reference_index) == ("all", "every-map", 0)
    assert (config.optimisation.rate, config.optimisation.steps) == (1e-5, 10_000)
    assert objective.losses == LOSSES["release"]


def test_the_small_release_has_its_choices_alone() -> None:
    small, other = PRESETS["small"], PRESETS["small-release"]
    assert with_options(small, **RELEASE, run=other.run.folder) == other
    assert len({preset.run.folder for preset in PRESETS.values()}) == len(PRESETS)


@pytest.mark.parametrize("name", ABLATIONS)
def test_an_ablation_differs_from_the_paper_in_one_option(name: str) -> None:
    (option,) = ABLATIONS[name]
    full = with_options(PRESETS[name], run=PRESETS["paper"].run.folder)
    assert full != PRESETS["paper"]
    assert with_options(full, **option_values(PRESETS["paper"], [option])) == PRESETS["paper"]


def test_the_ablations_are_those_of_the_papers_table() -> None:
    without = {name: PRESETS[name].objective for name in ("without-focus", "without-cover")}
    assert (without["without-focus"].focus_weight, without["without-focus"].cover_weight) == (0, 0.2)
    assert (without["without-cover"].focus_weight, without["without-cover"].cover_weight) == (0.1, 0)
    kinds = {name: _adapted_kinds(PRESETS[name].model.adapted) for name in ("paper", "only-double", "only-single")}
    assert kinds == {"paper": {"double", "single"}, "only-double": {"double"}, "only-single": {"single"}}
    assert [PRESETS[name].model.rank for name in ("paper", "rank-8", "rank-16")] == [4, 8, 16]


def _adapted_kinds(adapted: str) -> set[str]:
    """The kinds of blocks in which a LoRA of this option has layers."""
    transformer = FluxTransformer2DModel(
        num_layers=1, num_single_layers=1, attention_head_dim=16, num_attention_heads=1, joint_attention_dim=8,
        pooled_projection_dim=8, axes_dims_rope=(4, 6, 6),
    )  # fmt: skip
    return {"single" if "single_transformer" in key else "double" for key in add_lora(transformer, 2, adapted)}


@pytest.mark.parametrize(
    ("without", "weights"),
    [("nothing", (0.1, 0.2)), ("focus", (0, 0.2)), ("cover", (0.1, 0)), ("attention", (0, 0))],
)
def test_what_is_left_out_has_no_weight(without: str, weights: tuple[float, float]) -> None:
    objective = RegionObjective(without=without)
    assert (objective.focus_weight, objective.cover_weight) == weights
    assert objective.supervised == any(weights)


@pytest.mark.parametrize("command", ["region", "region-variants"])
def test_the_command_line_has_one_flat_list_of_options(command: str, capsys: pytest.CaptureFixture) -> None:
    run = train.SUBCOMMANDS[command]
    with pytest.raises(SystemExit):
        tyro.cli(run.chosen([]) if command == "region" else run, args=["--help"])
    found = set(re.findall(r"--[a-z][a-z.-]*[a-z]", capsys.readouterr().out))
    assert found >= {f"--{name}" for name in OPTIONS.split()}
    assert not {name for name in found if "." in name and not name.startswith("--losses.")}


def test_the_command_line_starts_from_a_preset(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[RegionTrainConfig] = []
    command = replace(train.SUBCOMMANDS["region"], run=seen.append)
    arguments = ["--preset", "small", "--without", "cover", "--blocks", "double 1, single"]
    arguments += ["--losses.slice", "span", "--supervise", "every-map"]
    tyro.cli(command.chosen(arguments), args=[*arguments, "--styles", "woven", "ink comic"])
    small = PRESETS["small"]
    expected = with_options(small, without="cover", blocks="double 1, single", styles=("woven", "ink comic"))
    losses = replace(small.objective.losses, slice="span")
    assert seen == [with_options(expected, losses=losses, supervise="every-map")]


def test_each_style_has_a_folder_and_a_file_named_after_it() -> None:
    config = with_options(RegionTrainConfig(), run=Path("runs"), styles=("Pixel Art", "pixel-art"))
    assert config.of_style("Pixel Art").run.folder == Path("runs") / "pixel-art"
    assert config.of_style("Pixel Art").data.styles == ("Pixel Art",)
    assert config.expert_file("Pixel Art") == Path("runs") / "pixel-art.safetensors"
    assert with_options(config, output=Path("out")).expert_file("line art") == Path("out") / "line-art.safetensors"


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"steps": 0}, "steps is 0, expected 1 or more"),
        ({"rank": 0}, "rank is 0, expected 1 or more"),
        ({"reference_index": -1}, "reference_index is -1, expected 0 or more"),
        ({"changed_weight": 0.0}, "changed_weight is 0.0, expected a number above 0"),
        ({"early_share": 1.1}, "early_share is 1.1, expected a share"),
        ({"rate": 0.0}, "rate is 0.0, expected a number above 0"),
        ({"blocks": "none"}, "no blocks are chosen, expected some: give `middle`"),
        ({"losses": replace(LOSSES["paper"], cover_weight=-1.0)}, "cover_weight is -1.0, expected 0 or more"),
        ({"losses": replace(LOSSES["paper"], focus_weight=math.nan)}, "focus_weight is nan, expected 0 or more"),
    ],
)
def test_impossible_values_are_refused(values: dict, sentence: str) -> None:
    with pytest.raises(TrainingError, match=sentence):
        with_options(RegionTrainConfig(), **values)
