"""The training benchmark on a model small enough for a test: both sides train the same layers."""

import subprocess
import sys
from collections.abc import Callable

import pytest
import torch
from diffusers import FluxTransformer2DModel
from styleroute.benchmarks import experts, measurement

SMALL = {**experts.SIZES, "num_layers": 1, "num_single_layers": 1, "num_attention_heads": 1, "joint_attention_dim": 32}


@pytest.mark.parametrize("side", experts.SIDES)
def test_a_step_of_each_side_runs(side: str) -> None:
    step = experts.training_step(side, batch=2, cells=4, sizes=SMALL)
    step()
    step()


def test_both_sides_adapt_the_same_layers_at_the_same_rank() -> None:
    ours, theirs = FluxTransformer2DModel(**SMALL), FluxTransformer2DModel(**SMALL)
    experts._experts(ours, experts.BatchStyle())
    experts._peft(theirs)
    adapted = {name.removesuffix(".base") for name, module in ours.named_modules() if name.endswith(".base")}
    assert adapted == {name for name, module in theirs.named_modules() if hasattr(module, "lora_A")}
    ranks = {module.lora_A["default"].out_features for module in theirs.modules() if hasattr(module, "lora_A")}
    assert ranks == {experts.RANK} == {24}
    assert len(adapted) == 12 + 5


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[tuple]:
    """Calls of the benchmark, in order; our steps take 3 seconds and 5 bytes, theirs 2 and 4."""
    calls: list[tuple] = []

    def step_of(side: str, batch: int, cells: int, *rest: object) -> Callable[[], float]:
        calls.append((side, batch, cells))
        return lambda: {"experts": 3.0, "peft": 2.0}[side]

    def peak_of_side(side: str, batch: int, *rest: object) -> int:
        return {"experts": 5, "peft": 4}[side] * batch

    monkeypatch.setattr(experts, "training_step", step_of)
    monkeypatch.setattr(measurement, "timed", lambda step: step())
    monkeypatch.setattr(experts, "peak_of_side", peak_of_side)
    return calls


def test_ratios_are_ours_to_theirs_with_their_limits(measured: list[tuple]) -> None:
    step, memory = experts.compare(batch=8, pairs=4, cells=6)
    assert measured == [("experts", 8, 6), ("peft", 8, 6)]
    name = "training step, batch 8, latents 6 x 6"
    assert (step.what, step.values, step.limit) == (name, (1.5,) * 4, 0.9)
    assert (memory.what, memory.values, memory.limit) == (f"{name}: peak memory", (1.25,), 0.9)
    assert {step.against, memory.against} == {"PEFT LoRA, rank 24"}
    assert not step.passed
    assert not memory.passed


def test_one_image_and_eight_are_measured(measured: list[tuple]) -> None:
    rows = list(experts.run_benchmark(pairs=2, cells=6))
    assert [len(row.values) for row in rows] == [2, 1, 2, 1]
    assert measured == [(side, batch, 6) for batch in (1, 8) for side in ("experts", "peft")]


def test_one_image_has_limits_with_many_tokens_only(measured: list[tuple]) -> None:
    assert [row.limit for row in experts.compare(batch=1, pairs=1, cells=32)] == [None, None]
    assert [row.limit for row in experts.compare(batch=1, pairs=1, cells=64)] == [1.01, 1.0]


def test_the_peak_does_not_include_the_parent_process() -> None:
    held = torch.ones(2**28)  # 1 GiB that a child must not count
    assert experts._process_peak() > 2**30
    code = f"from {experts.__name__} import _process_peak; print(_process_peak())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout.splitlines()[-1]) < held.nbytes
