"""Styles in stored weights, in this process on a model small enough for a test."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from styleroute.benchmarks import storage
from styleroute.benchmarks.random_files import Blocks

BLOCKS = Blocks(hidden=128, double=1, single=2)


@pytest.fixture
def small(comfy_pack, moe_apply, monkeypatch: pytest.MonkeyPatch):
    """The size of a small model for the errors of stored weights."""
    size = comfy_pack.random_model.ModelSize(hidden=128, double=1, single=2, cells=4)
    monkeypatch.setattr(comfy_pack.storage_error, "SIZE", size)
    monkeypatch.setattr(storage, "BLOCKS", BLOCKS)
    return size


@pytest.fixture
def lora(small, tmp_path: Path) -> str:
    path = tmp_path / "style.safetensors"
    save_file(storage.random_style(0.03), path)
    return str(path)


def cast(model, dtype: torch.dtype):
    """The model with its matrices stored in another dtype, which ComfyUI casts for each call."""
    from comfy.ops import manual_cast

    for module in model.model.diffusion_model.modules():
        if isinstance(module, torch.nn.Linear):
            module.__class__ = manual_cast.Linear
            module.weight = torch.nn.Parameter(module.weight.to(dtype), requires_grad=False)
    return model


@pytest.mark.parametrize(("dtype", "at_least"), [(torch.bfloat16, 0.01), (torch.float8_e4m3fn, 0.5)])
def test_a_patch_loses_the_style_to_rounding_and_the_branch_does_not(comfy_pack, small, lora, dtype, at_least) -> None:
    model = cast(comfy_pack.random_model.random_flux(small), dtype)
    found = comfy_pack.storage_error.errors_of(model, comfy_pack.storage_error.loaded_pack(lora))
    assert all(found["patch"][kind] > at_least for kind in ("layer", "model"))
    assert all(found["branch"][kind] < 1e-4 for kind in ("layer", "model"))
