"""The paper's values are the defaults, the release's differ as FORMATS tells, impossible values are refused."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import tyro
from styleroute.attention import PRESETS as LOSSES
from styleroute.cli import train
from styleroute.errors import TrainingError
from styleroute.training.regions.config import PRESETS, RELEASE, RegionTrainConfig


def test_the_papers_values_are_the_defaults() -> None:
    config = RegionTrainConfig()
    assert config == PRESETS["paper"] == next(iter(PRESETS.values()))
    assert (config.rank, config.rate, config.steps, config.batch, config.accumulation) == (4, 1e-4, 5_000, 2, 4)
    assert (config.schedule, config.warmup, config.precision, config.adapted) == ("constant", 0, "bf16", "both")
    assert (config.losses.slice, config.losses.direction) == ("all", "map||mask")
    assert (config.focus_weight, config.cover_weight) == (0.1, 0.2)
    assert (config.blocks, config.supervise, config.reference_index) == ("all", "mean-map", 1)
    assert config.text_tokens == 77


def test_the_release_differs_where_it_does() -> None:
    config = PRESETS["release"]
    assert (config.losses.slice, config.losses.direction) == ("span", "mask||map")
    assert (config.losses.tau, config.losses.alpha) == (0.1, 2.0)
    assert (config.focus_weight, config.cover_weight) == (0.1, 5e-5)
    assert (config.blocks, config.supervise, config.reference_index) == ("all", "every-map", 0)
    assert (config.rate, config.steps) == (1e-5, 10_000)
    assert config.losses == LOSSES["release"]


def test_the_small_release_has_its_choices_alone() -> None:
    small, other = PRESETS["small"], PRESETS["small-release"]
    assert replace(small, **RELEASE, run=other.run) == other
    assert len({preset.run for preset in PRESETS.values()}) == len(PRESETS)


@pytest.mark.parametrize(
    ("without", "weights"),
    [("nothing", (0.1, 0.2)), ("focus", (0, 0.2)), ("cover", (0.1, 0)), ("attention", (0, 0))],
)
def test_what_is_left_out_has_no_weight(without: str, weights: tuple[float, float]) -> None:
    config = RegionTrainConfig(without=without)
    assert (config.focus_weight, config.cover_weight) == weights
    assert config.supervised == any(weights)


def test_the_command_line_starts_from_a_preset(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[RegionTrainConfig] = []
    command = replace(train.SUBCOMMANDS["region"], run=seen.append)
    arguments = ["--preset", "small", "--without", "cover", "--blocks", "double 1, single"]
    arguments += ["--losses.slice", "span", "--supervise", "every-map"]
    tyro.cli(command.chosen(arguments), args=[*arguments, "--styles", "woven", "ink comic"])
    small = PRESETS["small"]
    expected = replace(small, without="cover", blocks="double 1, single", styles=("woven", "ink comic"))
    assert seen == [replace(expected, losses=replace(small.losses, slice="span"), supervise="every-map")]


def test_each_style_has_a_folder_and_a_file_named_after_it() -> None:
    config = RegionTrainConfig(run=Path("runs"), styles=("Pixel Art", "pixel-art"))
    assert config.of_style("Pixel Art").run == Path("runs") / "pixel-art"
    assert config.of_style("Pixel Art").styles == ("Pixel Art",)
    assert config.expert_file("Pixel Art") == Path("runs") / "pixel-art.safetensors"
    assert replace(config, output=Path("out")).expert_file("line art") == Path("out") / "line-art.safetensors"


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
        RegionTrainConfig(**values)
