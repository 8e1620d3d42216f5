"""A stock LoRA before or after a style: both add up, in any order."""

import pytest
import torch
from safetensors.torch import load_file

LAYERS = (
    "transformer_blocks.0.attn.to_q",
    "transformer_blocks.0.attn.to_out.0",
    "single_transformer_blocks.1.attn.to_v",
)
"""ComfyUI's LoraLoaderBypass changes only the second layer: it leaves out slices of fused weights, with a warning."""


@pytest.fixture(params=["LoraLoader", "LoraLoaderBypass"])
def add_lora(request, parts, write_lora, tmp_path):
    """Adds a plain LoRA with one of ComfyUI's own loaders."""
    import comfy.sd

    write_lora(tmp_path / "loras" / "plain.safetensors", layers=LAYERS)
    loaders = {"LoraLoader": "load_lora_for_models", "LoraLoaderBypass": "load_bypass_lora_for_models"}
    load = getattr(comfy.sd, loaders[request.param], None)
    if load is None:
        pytest.skip(f"This ComfyUI has no {request.param}.")
    state = load_file(tmp_path / "loras" / "plain.safetensors")
    return lambda model: load(model, None, dict(state), 0.5, 0)[0]


def test_the_order_of_a_lora_and_a_style_does_not_matter(
    flux, add_style, add_lora, method, prompt, sample, with_reference, untouched
):
    positive = with_reference(prompt())
    before, after = add_style(add_lora(flux), method), add_lora(add_style(method=method))
    both = sample(before, positive)
    torch.testing.assert_close(sample(after, positive), both, rtol=1e-4, atol=1e-4)
    for alone in (add_style(method=method), add_lora(flux)):
        assert not torch.allclose(sample(alone, positive), both, atol=1e-3)
    untouched()


def test_both_methods_add_the_same_to_a_lora(flux, add_style, add_lora, prompt, sample):
    patch, branch = (sample(add_style(add_lora(flux), method), prompt()) for method in ("patch", "branch"))
    torch.testing.assert_close(branch, patch, rtol=1e-4, atol=1e-4)
