"""A region expert's file in stock ComfyUI: it knows every key, and the weights change as in diffusers."""

import logging
from pathlib import Path

import pytest
import torch
from diffusers import FluxTransformer2DModel
from safetensors.torch import load_file
from styleroute.flux.layer_names import comfy_target
from styleroute.moe import ExpertConfig, save_expert
from styleroute.training.regions.lora import add_lora


@pytest.fixture
def file(parts, tmp_path: Path) -> Path:
    """A region expert in the random Flux's sizes, without zero weights."""
    transformer = FluxTransformer2DModel(
        in_channels=64, num_layers=1, num_single_layers=2, attention_head_dim=128, num_attention_heads=1,
        joint_attention_dim=parts.CONTEXT, pooled_projection_dim=parts.VECTOR, guidance_embeds=True,
    )  # fmt: skip
    trained = add_lora(transformer, rank=4)
    lora = {name: torch.randn(weight.shape) * 0.1 for name, weight in trained.items()}
    save_expert(tmp_path / "woven.safetensors", lora, ExpertConfig.plain_lora(4, "flux-kontext"), None)
    return tmp_path / "woven.safetensors"


def test_stock_lora_loading_takes_every_key(parts, flux, file: Path, caplog: pytest.LogCaptureFixture) -> None:
    import comfy.lora
    import comfy.sd

    keys = comfy.lora.model_lora_keys_unet(flux.model, {})
    lora = load_file(file)
    with caplog.at_level(logging.WARNING):
        patched, _ = comfy.sd.load_lora_for_models(flux, None, lora, 1.0, 0.0)
    assert not [record for record in caplog.records if "lora" in record.getMessage().lower()]
    layers = {name.rsplit(".lora_", 1)[0] for name in lora}
    assert len(layers) == 4 + 2 * 3
    assert layers <= keys.keys()
    changed = {key.removeprefix("diffusion_model.").removesuffix(".weight") for key in patched.patches}
    assert changed == {comfy_target(layer.removeprefix("transformer."), parts.HIDDEN).key for layer in layers}


def test_the_weights_change_as_the_file_says(parts, flux, file: Path) -> None:
    import comfy.model_management
    import comfy.sd

    lora = load_file(file)
    expected = {name: weight.clone() for name, weight in flux.model.diffusion_model.state_dict().items()}
    for layer in {name.rsplit(".lora_", 1)[0] for name in lora}:
        target = comfy_target(layer.removeprefix("transformer."), parts.HIDDEN)
        start, length = target.rows or (0, parts.HIDDEN)
        up, down = (lora[f"{layer}.lora_{part}.weight"] for part in "BA")
        expected[f"{target.key}.weight"][start : start + length] += up @ down
    patched, _ = comfy.sd.load_lora_for_models(flux, None, lora, 1.0, 0.0)
    comfy.model_management.load_models_gpu([patched])
    for name, weight in patched.model.diffusion_model.state_dict().items():
        torch.testing.assert_close(weight, expected[name], rtol=0, atol=1e-5)
    patched.detach()


def test_patches_added_to_the_model_between_two_runs_are_in_the_next_run(flux, region_expert) -> None:
    from styleroute.nodes.regions.apply_experts import with_experts

    key, other = "diffusion_model.img_in.weight", torch.ones(128, 64)
    first = with_experts(flux, [region_expert], 1.0)
    assert with_experts(flux, [region_expert], 1.0) is first
    flux.add_patches({key: ("diff", (other,))})
    second = with_experts(flux, [region_expert], 1.0)
    assert second is not first
    assert second.patches.keys() == first.patches.keys() | {key}
    assert with_experts(flux, [region_expert], 1.0) is second
