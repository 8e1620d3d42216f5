"""Keys, slices and sizes of Kontext's 19 + 38 blocks of width 3072, on the meta device."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from styleroute.flux.layer_names import OUTER_LAYERS, all_layers, comfy_target, layer_shape


@pytest.fixture(scope="module")
def kontext(parts):
    """ComfyUI's Flux on the meta device."""
    import comfy.supported_models

    size = {"hidden_size": 3072, "num_heads": 24, "depth": 19, "depth_single_blocks": 38}
    text = {"context_in_dim": 4096, "vec_in_dim": 768}
    config = comfy.supported_models.Flux(parts.FLUX | size | text)
    config.set_inference_dtype(torch.bfloat16, None)
    return SimpleNamespace(model=config.get_model({}, "", device=torch.device("meta")))


def test_every_layer_has_comfyuis_key_and_slice(kontext):
    import comfy.utils
    from styleroute.nodes.model_patching import patch_keys

    layers = all_layers(19, 38)
    expert = SimpleNamespace(
        path=Path("full.safetensors"),
        layers=layers,
        layer_shapes={layer: layer_shape(layer, 3072) for layer in layers},
        config=SimpleNamespace(base="flux-kontext"),
    )
    keys = patch_keys(kontext, expert)
    stock = comfy.utils.flux_to_diffusers(kontext.model.model_config.unet_config, output_prefix="diffusion_model.")
    assert len(keys) == 19 * 14 + 38 * 6
    assert keys == {layer: stock[f"{layer}.weight"] for layer in layers}
    state = kontext.model.state_dict()
    assert all((key if isinstance(key, str) else key[0]) in state for key in keys.values())


def test_layers_outside_the_blocks_have_comfyuis_keys(kontext):
    import comfy.utils

    stock = comfy.utils.flux_to_diffusers(kontext.model.model_config.unet_config)
    for layer in OUTER_LAYERS:
        assert comfy_target(layer, 3072) == (stock[f"{layer}.weight"].removesuffix(".weight"), None)
