"""Each variant changes the options that its name says, and no other."""

from dataclasses import asdict
from pathlib import Path

import pytest
from styleroute.attention import PRESETS as LOSSES
from styleroute.errors import TrainingError
from styleroute.training.adapters.config import with_options
from styleroute.training.regions import train_regions as command
from styleroute.training.regions.config import PRESETS, RegionTrainConfig
from styleroute.training.regions.variants import (
    FULL,
    NO_COVER,
    RELEASE_ALL,
    RELEASE_CHOICES,
    SMALL,
    VARIANTS,
    config_of,
    train_variants,
    variant_file,
)


def changed(name: str) -> set[str]:
    """Options that a variant changes, including fields of the losses, without the run's folder."""
    before, after = (flat(config) for config in (SMALL, config_of(name, SMALL)))
    return {field for field in before if before[field] != after[field]} - {"run"}


def flat(config: RegionTrainConfig) -> dict:
    parts = asdict(config)
    options = {
        **parts["objective"].pop("losses"),
        "data": parts["data"].pop("folder"),
        "run": parts["run"].pop("folder"),
    }
    return {name: value for part in (options, *parts.values()) for name, value in part.items()}


def test_each_changes_its_choice_alone() -> None:
    assert {name: changed(name) for name in VARIANTS if name != RELEASE_ALL} == {
        "full": set(),
        "no attention loss": {"without"},
        "without Cover": {"without"},
        "without Focus": {"without"},
        "release's attention slice": {"slice", "supervise"},
        "release's blocks": {"blocks", "supervise"},
        "release's Focus direction": {"direction"},
        "release's tau and alpha": {"tau", "alpha", "relative"},
        "release's loss weights": {"cover_weight"},
        "release's rate and steps": {"rate", "steps"},
        "release's context position": {"reference_index"},
    }


def test_all_choices_are_the_preset() -> None:
    release, all_of_it = PRESETS["small-release"], config_of(RELEASE_ALL, SMALL)
    assert all_of_it == with_options(release, run=all_of_it.run.folder, validate_every=0)
    assert all_of_it.objective.losses == LOSSES["release"]
    separate = set().union(*(changed(name) for name in RELEASE_CHOICES)) - {"rate", "steps"}
    assert changed(RELEASE_ALL) == separate | {"over_spans"}


def test_every_variant_has_a_folder_of_its_own() -> None:
    files = {config_of(name, SMALL).expert_file("ink comic") for name in VARIANTS}
    assert len(files) == len(VARIANTS)
    assert files == {variant_file(SMALL.run.folder, name, "ink comic") for name in VARIANTS}


def test_they_are_trained_in_turn_until_the_time_is_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys) -> None:
    trained: list[RegionTrainConfig] = []
    monkeypatch.setattr(command, "train_regions", trained.append)
    config = with_options(SMALL, run=tmp_path, steps=3)
    train_variants(config)
    assert [one.run.folder.name for one in trained][:4] == [
        "full",
        "no-attention-loss",
        "without-cover",
        "without-focus",
    ]
    assert len(trained) == len(VARIANTS)
    trained.clear()
    train_variants(config, ["without-cover", "full"])
    assert [one.run.folder for one in trained] == [config_of(name, config).run.folder for name in (NO_COVER, FULL)]
    trained.clear()
    train_variants(with_options(config, minutes=1e-9))
    assert not trained
    assert "The time limit came before full" in capsys.readouterr().out
    with pytest.raises(TrainingError, match="no variant 'cover': give --only with one of full"):
        train_variants(config, ["cover"])
