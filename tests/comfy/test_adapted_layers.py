"""Every linear layer of FLUX.1 can be adapted, and names that the model does not have are left out and listed."""

import logging
from pathlib import Path

import pytest
import torch
from diffusers import FluxTransformer2DModel
from safetensors.torch import load_file, save_file
from styleroute.flux.latents import pack, position_ids, unpack
from styleroute.flux.layer_names import OUTER_LAYERS, SWAPPED_LAYER, all_layers, in_comfy_order
from styleroute.flux.layouts import to_comfy
from styleroute.moe import StyleExpert, StyleExpertError

from .conftest import write_style_expert

RANK = 3
STRAY = "transformer_blocks.0.attn.to_gate"


@pytest.fixture(scope="module")
def transformer(parts) -> FluxTransformer2DModel:
    torch.manual_seed(0)
    return FluxTransformer2DModel(
        in_channels=64, num_layers=1, num_single_layers=2, attention_head_dim=128, num_attention_heads=1,
        joint_attention_dim=parts.CONTEXT, pooled_projection_dim=parts.VECTOR, guidance_embeds=True,
    ).eval()  # fmt: skip


@pytest.fixture
def comfy_flux(flux, transformer):
    """The small Flux of ComfyUI with the weights of diffusers' model."""
    network, state = flux.model.diffusion_model, to_comfy(transformer.state_dict())
    names = network.state_dict().keys()
    state = {key if key in names else key.replace("_norm.scale", "_norm.weight"): state[key] for key in state}
    network.load_state_dict(state)
    return flux


@pytest.fixture
def write(transformer, tmp_path: Path):
    """Writes a LoRA for some layers of diffusers' model."""

    def write(layers, name="style.safetensors", width=None) -> Path:
        generator, state = torch.Generator().manual_seed(4), {}
        for layer in layers:
            try:
                linear = transformer.get_submodule(layer)
            except AttributeError:
                linear = transformer.x_embedder
            down = torch.randn(RANK, width or linear.in_features, generator=generator)
            up = torch.randn(linear.out_features, RANK, generator=generator)
            state |= {f"transformer.{layer}.lora_A.weight": down * 0.2, f"transformer.{layer}.lora_B.weight": up * 0.2}
        save_file(state, tmp_path / name)
        return tmp_path / name

    return write


@torch.no_grad()
def _diffusers_output(transformer, inputs, deltas) -> torch.Tensor:
    latents, reference, text, pooled = inputs
    changes = {layer: pair.up @ pair.down for layer, pair in deltas.items()}
    for layer, change in changes.items():
        transformer.get_submodule(layer).weight += change
    ids = torch.cat([position_ids(4, 4), position_ids(4, 4, index=1)])
    output = transformer(
        hidden_states=torch.cat([pack(latents), pack(reference)], dim=1), encoder_hidden_states=text,
        pooled_projections=pooled, timestep=torch.tensor([0.7]), guidance=torch.tensor([3.5]), img_ids=ids,
        txt_ids=torch.zeros(text.shape[1], 3), return_dict=False,
    )[0]  # fmt: skip
    for layer, change in changes.items():
        transformer.get_submodule(layer).weight -= change
    return unpack(output[:, :16], 4)


@torch.no_grad()
def _comfy_output(model, inputs) -> torch.Tensor:
    import comfy.model_management

    latents, reference, text, pooled = inputs
    comfy.model_management.load_models_gpu([model])
    return model.model.diffusion_model(
        latents, torch.tensor([0.7]), text, y=pooled, guidance=torch.tensor([3.5]), ref_latents=[reference],
        ref_latents_method="index",
    )  # fmt: skip


@pytest.fixture
def inputs(parts):
    generator = torch.Generator().manual_seed(6)
    sizes = (1, 16, 8, 8), (1, 16, 8, 8), (1, 7, parts.CONTEXT), (1, parts.VECTOR)
    return [torch.randn(size, generator=generator) for size in sizes]


def apply(model, path):
    from styleroute.nodes.styles.moe_apply import MoEApply

    return MoEApply.execute(model, StyleExpert.open(path), 1.0).result[0]


@pytest.mark.parametrize("layer", [*OUTER_LAYERS, SWAPPED_LAYER, *all_layers(1, 2)[:14], *all_layers(1, 2)[-6:]])
def test_each_adapted_layer_changes_both_models_alike(transformer, comfy_flux, write, inputs, layer):
    path = write([layer])
    expected = _diffusers_output(transformer, inputs, StyleExpert.open(path).collapse(None))
    plain = _diffusers_output(transformer, inputs, {})
    styled = apply(comfy_flux, path)
    found = _comfy_output(styled, inputs)
    styled.detach()
    assert (expected - plain).abs().max() > 1e-5
    assert (found - expected).abs().max() < 0.02 * (expected - plain).abs().max()


def test_layers_are_those_of_comfyuis_own_map(flux, write):
    import comfy.utils
    from styleroute.nodes.model_patching import patch_keys

    layers = (*OUTER_LAYERS, SWAPPED_LAYER, *all_layers(1, 2))
    keys = patch_keys(flux, StyleExpert.open(write(layers)))
    stock = comfy.utils.flux_to_diffusers(flux.model.model_config.unet_config, output_prefix="diffusion_model.")
    linear = {key.removesuffix(".weight") for key in stock if key.endswith(".weight")}
    newer = {"linear_in", "linear_out", "to_qkv_mlp_proj", "to_out"}  # FLUX.2's names of the same weights
    ours = {layer for layer in linear if "norm_" not in layer.rsplit(".", 1)[-1] and "pos_embed" not in layer}
    assert {layer for layer in ours if layer.rsplit(".", 1)[-1] not in newer | {"controlnet_x_embedder"}} == keys.keys()
    for layer, key in keys.items():
        theirs = stock[f"{layer}.weight"]
        if layer == SWAPPED_LAYER:
            rows, swap = torch.arange(8.0)[:, None], theirs[2]
            assert theirs[:2] == (key, None)
            assert torch.equal(swap(rows), in_comfy_order(layer, rows))
        else:
            assert theirs == key


def test_a_name_that_flux_does_not_have_is_left_out_and_listed(flux, write, caplog):
    layers = ["transformer_blocks.0.attn.to_q", "x_embedder"]
    expert = StyleExpert.open(write([*layers, STRAY]))
    assert set(expert.layers) == set(layers)
    assert expert.skipped_layers == (STRAY,)
    with caplog.at_level(logging.WARNING):
        styled = apply(flux, expert.path)
    assert len(styled.patches) == 2
    assert f"changes 1 layer that this model does not have; left out: {STRAY}." in caplog.text


def test_the_left_out_layers_are_shown_under_the_nodes(flux, write, monkeypatch, prompt, region_sample):
    import styleroute.nodes.comfy_server as comfy_server
    from styleroute.nodes.model_folders import register_model_folders
    from styleroute.nodes.regions import region_sampler
    from styleroute.nodes.styles.moe_apply import MoEApply

    register_model_folders()
    shown = []
    monkeypatch.setattr(comfy_server, "show_under_node", lambda text, node_id: shown.append(text))
    path = write(["transformer_blocks.0.attn.to_q", STRAY], "mosaic.safetensors")
    monkeypatch.setattr(MoEApply, "hidden", type("Hidden", (), {"unique_id": "5"}), raising=False)
    monkeypatch.setattr(region_sampler.RegionRouteSampler, "hidden", MoEApply.hidden, raising=False)
    MoEApply.execute(flux, StyleExpert.open(path), 1.0)
    monkeypatch.setattr("styleroute.nodes.regions.region_experts.expert_path", lambda name: str(path))
    region_sample(prompt(), region_expert="mosaic.safetensors")
    assert STRAY in shown[0]
    assert any("Region expert: mosaic.safetensors" in text and STRAY in text for text in shown[1:])


def test_guidance_layers_are_left_out_for_a_model_without_guidance(parts, write, caplog):
    guidance = "time_text_embed.guidance_embedder.linear_1"
    schnell = parts.random_model("FluxSchnell", parts.FLUX | {"guidance_embed": False})
    styled = apply(schnell, write(["transformer_blocks.0.attn.to_q", guidance]))
    assert len(styled.patches) == 1
    assert f"left out: {guidance}" in caplog.text


def test_one_layer_of_a_block_beyond_the_last_is_left_out(flux, write, caplog):
    styled = apply(flux, write(["transformer_blocks.0.attn.to_q", "transformer_blocks.7.attn.to_q"]))
    assert len(styled.patches) == 1
    assert "left out: transformer_blocks.7.attn.to_q" in caplog.text


@pytest.mark.parametrize("layer", ["transformer_blocks.7.attn.to_q", "time_text_embed.guidance_embedder.linear_1"])
def test_a_file_without_any_layer_of_the_model_is_refused(parts, write, layer):
    schnell = parts.random_model("FluxSchnell", parts.FLUX | {"guidance_embed": False})
    with pytest.raises(StyleExpertError, match=f"does not fit this model: it changes {layer}"):
        apply(schnell, write([layer]))


def test_a_wrong_size_still_refuses_the_file(flux, write):
    path = write(["transformer_blocks.0.attn.to_q", STRAY], width=5)
    with pytest.raises(StyleExpertError, match="is 128 x 5 in the file and 128 x 128 in the model"):
        apply(flux, path)


def test_routed_experts_with_a_stray_layer_and_mixed_ranks_apply(flux, tmp_path, caplog):
    path = write_style_expert(tmp_path / "styles.safetensors")
    state = {key: weight for key, weight in load_file(path).items() if "lora_layer" in key}
    for part, weight in [item for item in state.items() if "single_transformer_blocks.0.attn.to_q." in item[0]]:
        if part.endswith("loraA"):
            state[part] = weight[:, :1].clone()
        elif part.endswith("loraB"):
            state[part] = weight[:, :, :1].clone()
        state[part.replace("attn.to_q", "attn.to_gate")] = weight.clone()
    save_file(state, tmp_path / "release.safetensors")
    expert = StyleExpert.open(tmp_path / "release.safetensors")
    assert expert.layer_ranks["single_transformer_blocks.0.attn.to_q"] == 1
    assert expert.scale_of("single_transformer_blocks.0.attn.to_q") == 16
    assert expert.scale_of("single_transformer_blocks.0.attn.to_k") == 8
    assert len(expert.skipped_layers) == 1
    assert expert.collapse(torch.ones(1, 32)).keys() == set(expert.layers)
