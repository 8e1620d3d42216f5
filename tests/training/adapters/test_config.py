"""Options by name, whichever part they belong to, and the fields that may change on resume."""

from dataclasses import replace
from pathlib import Path

import pytest
from styleroute.errors import TrainingError
from styleroute.training.adapters.config import FREE, Optimisation, free_fields, option_values, with_options
from styleroute.training.experts.config import ExpertsTrainConfig
from styleroute.training.regions.config import RegionTrainConfig


def test_options_are_set_in_the_part_that_has_them() -> None:
    config = ExpertsTrainConfig()
    changed = with_options(config, steps=3, window=8, data=Path("mine"), run=Path("runs"), guidance=1.0)
    assert changed.optimisation == replace(config.optimisation, steps=3)
    assert changed.data == replace(config.data, window=8, folder=Path("mine"))
    assert changed.run == replace(config.run, folder=Path("runs"))
    assert changed.objective == replace(config.objective, guidance=1.0)
    assert changed.model == config.model
    assert option_values(changed, ("data", "steps", "run")) == {"data": Path("mine"), "steps": 3, "run": Path("runs")}


def test_unknown_options_are_refused() -> None:
    with pytest.raises(TypeError, match="RegionTrainConfig has no option 'window'"):
        with_options(RegionTrainConfig(), window=8)


def test_options_of_one_part_are_checked_together() -> None:
    plain = replace(ExpertsTrainConfig().model.adapter, experts=0)
    assert with_options(ExpertsTrainConfig(), condition="none", adapter=plain).model.condition == "none"
    with pytest.raises(TrainingError, match="condition is 'none'"):
        with_options(ExpertsTrainConfig(), condition="none")


@pytest.mark.parametrize("config", [ExpertsTrainConfig(), RegionTrainConfig()])
def test_only_a_constant_rate_may_change_the_number_of_steps(config: ExpertsTrainConfig | RegionTrainConfig) -> None:
    assert free_fields(config) == (*FREE, "optimisation.steps")
    assert free_fields(with_options(config, schedule="cosine")) == FREE


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"batch": 0}, "batch is 0, expected 1 or more"),
        ({"warmup": -1}, "warmup is -1, expected 0 or more"),
        ({"ema": 1.0}, "ema is 1.0, expected a decay from 0 to less than 1"),
        ({"rate": float("inf")}, "rate is inf, expected a finite number"),
    ],
)
def test_impossible_values_are_refused(values: dict, sentence: str) -> None:
    with pytest.raises(TrainingError, match=sentence):
        Optimisation(**values)
