"""The benchmark of region experts on a model small enough for a test."""

import pytest
from styleroute.benchmarks import regions
from styleroute.training.regions.config import PRESETS

SMALL = {**regions.SIZES, "num_layers": 1, "num_single_layers": 1, "num_attention_heads": 1, "joint_attention_dim": 32}


@pytest.mark.parametrize("side", ["paper", "release", None])
def test_a_step_of_each_side_runs(side: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regions, "SIZES", SMALL)
    step = regions.training_step(side and PRESETS[side].objective, cells=4)
    step()
    step()


def test_a_row_for_each_preset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regions, "SIZES", SMALL)
    rows = list(regions.run_benchmark(pairs=2, cells=4))
    assert [row.what for row in rows] == ["region step, paper: mean map", "region step, release: every map"]
    assert all(len(row.values) == 2 and row.limit == 1.3 for row in rows)
