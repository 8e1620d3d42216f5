"""Base models stored as fp16, bf16, fp8, scaled fp8 and GGUF: the branch is exact, and the patch works."""

import os
import sys
from importlib import util
from pathlib import Path

import pytest
import torch

from . import stored_models

GGUF = "STYLEROUTE_TEST_GGUF"
"""Environment variable with the folder of ComfyUI-GGUF; its package gguf must be installed."""


@pytest.fixture
def reference(parts, add_style, prompt, with_reference, sample):
    """The styled latent of float32 weights."""

    def latent(weights: dict[str, torch.Tensor]) -> torch.Tensor:
        model = parts.random_model("Flux", parts.FLUX)
        model.model.diffusion_model.load_state_dict(weights)
        return sample(add_style(model, "patch"), with_reference(prompt()))

    return latent


@pytest.fixture
def check(flux, add_style, prompt, with_reference, sample, halves):
    """Compares both methods on a stored model with the reference, and with the model without a style."""
    from styleroute.nodes.branch.branched_model import branches_of

    @torch.no_grad()  # as ComfyUI runs its nodes
    def compare(model, expected: torch.Tensor, has_few_bits: bool) -> None:
        positive = with_reference(prompt())
        base = sample(model, positive)
        before = stored_bytes(model)
        branch, patch = (sample(add_style(model, method), positive) for method in ("branch", "patch"))
        torch.testing.assert_close(branch, expected, rtol=5e-3, atol=5e-3)  # pairs in 16 bits on 16-bit models
        assert (patch - base).abs().mean() > 0
        assert (branch - expected).norm() <= (patch - expected).norm() + 1e-3 * expected.norm()
        assert bool(branches_of(add_style(model, "auto"))) == has_few_bits
        assert not torch.equal(sample(add_style(model, mask=halves[0]), positive), base)
        torch.testing.assert_close(sample(model, positive), base, rtol=0, atol=0)
        assert stored_bytes(model) == before

    return compare


def stored_bytes(model) -> dict[str, bytes]:
    """The stored bytes of each weight, also of ComfyUI's and GGUF's quantised tensors."""
    weights = {key: getattr(weight, "_qdata", weight) for key, weight in model.model.named_parameters()}
    plain = {key: weight.data.as_subclass(torch.Tensor).contiguous() for key, weight in weights.items()}
    return {key: weight.flatten().view(torch.uint8).numpy().tobytes() for key, weight in plain.items()}


SLOW = {"bfloat16", "float8_e5m2"}
"""Formats that differ little from others; their tests are among the slow ones."""


@pytest.mark.parametrize(
    "form",
    [pytest.param(form, marks=pytest.mark.slow) if form in SLOW else form for form in stored_models.FORMATS],
)
def test_the_branch_is_exact_on_stored_weights(parts, flux, check, reference, monkeypatch, form):
    network = flux.model.diffusion_model
    dtype = torch.float32 if form == stored_models.SCALED else getattr(torch, form)
    model = stored_models.load(parts, stored_models.state_in(form, network), monkeypatch, dtype=dtype)
    check(model, reference(stored_models.read_back(form, network)), form in stored_models.EIGHT_BITS)


@pytest.fixture
def gguf_pack(comfyui):
    """ComfyUI-GGUF's nodes, imported from its folder."""
    folder = os.environ.get(GGUF)
    if not folder:
        pytest.skip(f"Set {GGUF} to a folder with ComfyUI-GGUF.")
    pytest.importorskip("gguf")  # ComfyUI-GGUF needs it
    path = Path(folder) / "__init__.py"
    spec = util.spec_from_file_location("comfyui_gguf", path, submodule_search_locations=[folder])
    sys.modules["comfyui_gguf"] = module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("kind", ["F16", "BF16", "Q8_0", "Q5_1", "Q4_0"])
def test_the_branch_is_exact_on_gguf(parts, flux, check, reference, gguf_pack, monkeypatch, tmp_path, kind):
    import folder_paths

    gguf = pytest.importorskip("gguf")
    held = stored_models.write_gguf(gguf, tmp_path / "flux.gguf", flux.model.diffusion_model, kind)
    monkeypatch.setattr(folder_paths, "get_full_path", lambda *_: str(tmp_path / "flux.gguf"))
    load = gguf_pack.NODE_CLASS_MAPPINGS["UnetLoaderGGUF"]().load_unet
    with stored_models.sizes_given(parts, monkeypatch):
        (model,) = load("flux.gguf", dequant_dtype="float32", patch_dtype="float32")
    check(model, reference(held), kind not in ("F16", "BF16"))
