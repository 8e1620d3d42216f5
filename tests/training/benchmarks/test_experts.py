"""The training benchmark on a model small enough for a test: both sides train the same layers."""

import subprocess
import sys

import pytest
import torch
from diffusers import FluxTransformer2DModel
from styleroute.training.benchmarks import experts

SMALL = {**experts.SIZES, "num_layers": 1, "num_single_layers": 1, "num_attention_heads": 1, "joint_attention_dim": 32}


@pytest.mark.parametrize("side", experts.SIDES)
def test_a_step_of_each_side_runs(side: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(experts, "SIZES", SMALL)
    step = experts.training_step(side, batch=2, cells=4)
    step()
    step()


def test_both_sides_adapt_the_same_layers_at_the_same_rank() -> None:
    ours, theirs = FluxTransformer2DModel(**SMALL), FluxTransformer2DModel(**SMALL)
    experts._experts(ours, experts.Style())
    experts._peft(theirs)
    adapted = {name.removesuffix(".base") for name, module in ours.named_modules() if name.endswith(".base")}
    assert adapted == {name for name, module in theirs.named_modules() if hasattr(module, "lora_A")}
    ranks = {module.lora_A["default"].out_features for module in theirs.modules() if hasattr(module, "lora_A")}
    assert ranks == {experts.RANK} == {24}
    assert len(adapted) == 12 + 5


def test_the_peak_is_the_process_own_and_not_that_of_its_parent() -> None:
    held = torch.ones(2**28)  # 1 GiB that a child must not count
    assert experts._peak() > 2**30
    code = f"from {experts.__name__} import _peak; print(_peak())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout.splitlines()[-1]) < held.nbytes
