"""Conversion of whole Flux state dicts: exact in both directions, at full size, and with equal model outputs."""

import importlib
import sys

import pytest
import torch
from diffusers import FluxTransformer2DModel
from styleroute.comfy_client import find_comfyui
from styleroute.errors import ComfyNotFound
from styleroute.flux.latents import pack, position_ids, unpack
from styleroute.flux.layouts import to_comfy, to_diffusers
from styleroute.moe import StyleExpertError

SMALL = {
    "patch_size": 1,
    "in_channels": 64,
    "num_layers": 3,
    "num_single_layers": 6,
    "attention_head_dim": 128,
    "num_attention_heads": 2,
    "joint_attention_dim": 128,
    "pooled_projection_dim": 64,
    "guidance_embeds": True,
    "axes_dims_rope": (16, 56, 56),
}
KONTEXT = SMALL | {
    "num_layers": 19,
    "num_single_layers": 38,
    "num_attention_heads": 24,
    "joint_attention_dim": 4096,
    "pooled_projection_dim": 768,
}


def build_diffusers(sizes: dict) -> FluxTransformer2DModel:
    torch.manual_seed(0)
    return FluxTransformer2DModel(**sizes).eval()


def build_comfy(sizes: dict, device: str = "cpu") -> torch.nn.Module:
    """ComfyUI's Flux; without ComfyUI the test is skipped."""
    flux, ops = _comfy_modules()
    return flux.Flux(
        in_channels=16,
        out_channels=16,
        vec_in_dim=sizes["pooled_projection_dim"],
        context_in_dim=sizes["joint_attention_dim"],
        hidden_size=128 * sizes["num_attention_heads"],
        mlp_ratio=4.0,
        num_heads=sizes["num_attention_heads"],
        depth=sizes["num_layers"],
        depth_single_blocks=sizes["num_single_layers"],
        axes_dim=[16, 56, 56],
        theta=10000,
        patch_size=2,
        qkv_bias=True,
        guidance_embed=True,
        dtype=torch.float32,
        device=device,
        operations=ops.disable_weight_init,
        **({"txt_ids_dims": []} if "txt_ids_dims" in flux.FluxParams.__dataclass_fields__ else {}),
    ).eval()


def _comfy_modules():
    try:
        sys.path.insert(0, str(find_comfyui()))
        importlib.import_module("comfy.options").enable_args_parsing(False)
        importlib.import_module("comfy.cli_args").args.cpu = True
        return importlib.import_module("comfy.ldm.flux.model"), importlib.import_module("comfy.ops")
    except (ComfyNotFound, ModuleNotFoundError) as missing:
        pytest.skip(str(missing))


def load_into_comfy(model: torch.nn.Module, state: dict) -> None:
    """Load the weights like ComfyUI's loader: newer versions name the norms' scale `weight` in memory."""
    names = model.state_dict().keys()
    state = {key if key in names else key.replace("_norm.scale", "_norm.weight"): state[key] for key in state}
    model.load_state_dict(state)


def test_round_trip_is_bit_exact():
    state = build_diffusers(SMALL).state_dict()
    back = to_diffusers(to_comfy(state))
    assert back.keys() == state.keys()
    assert all(torch.equal(back[key], tensor) for key, tensor in state.items())


def test_no_tensor_is_a_view_into_a_fused_one():
    back = to_diffusers(to_comfy(build_diffusers(SMALL).state_dict()))
    assert len({tensor.untyped_storage().data_ptr() for tensor in back.values()}) == len(back)


@pytest.mark.parametrize("change", [{"guidance_embeds": False}, {"num_layers": 1, "num_single_layers": 2}])
def test_other_sizes(change):
    state = build_diffusers(SMALL | change).state_dict()
    assert all(torch.equal(back, state[key]) for key, back in to_diffusers(to_comfy(state)).items())


def test_keys_and_shapes_at_full_size():
    with torch.device("meta"):
        state = FluxTransformer2DModel(**KONTEXT).state_dict()
    comfy = to_comfy(state)
    expected = build_comfy(KONTEXT, device="meta").state_dict()
    found = {key.replace("_norm.scale", "_norm.weight"): tensor.shape for key, tensor in comfy.items()}
    assert found == {key.replace("_norm.scale", "_norm.weight"): tensor.shape for key, tensor in expected.items()}
    assert {key: tensor.shape for key, tensor in to_diffusers(comfy).items()} == {
        key: tensor.shape for key, tensor in state.items()
    }


@pytest.mark.parametrize("references", [0, 1])
@torch.no_grad()
def test_both_models_agree(references):
    reference_model, model = build_diffusers(SMALL), build_comfy(SMALL)
    load_into_comfy(model, to_comfy(reference_model.state_dict()))
    latents, reference = torch.randn(2, 16, 8, 12), torch.randn(2, 16, 8, 12)
    states, pooled, sigma, guidance = torch.randn(2, 32, 128), torch.randn(2, 64), torch.rand(2), torch.full((2,), 3.5)
    ids, tokens = position_ids(4, 6), pack(latents)
    if references:
        ids, tokens = torch.cat([ids, position_ids(4, 6, index=1)]), torch.cat([tokens, pack(reference)], dim=1)
    expected = reference_model(
        hidden_states=tokens,
        encoder_hidden_states=states,
        pooled_projections=pooled,
        timestep=sigma,
        img_ids=ids,
        txt_ids=torch.zeros(32, 3),
        guidance=guidance,
    ).sample[:, :24]
    found = model(
        latents,
        sigma,
        states,
        y=pooled,
        guidance=guidance,
        ref_latents=[reference] if references else None,
        ref_latents_method="index",
    )
    assert expected.std() > 0.01
    torch.testing.assert_close(found, unpack(expected, 4), atol=1e-4, rtol=0)


def test_all_missing_and_foreign_keys_are_named_at_once():
    state = build_diffusers(SMALL).state_dict()
    del state["transformer_blocks.1.attn.to_k.bias"], state["norm_out.linear.weight"]
    state["lora_A"] = torch.zeros(1)
    with pytest.raises(StyleExpertError, match=r"2 keys are missing .*to_k\.bias.*norm_out.*1 keys .*lora_A"):
        to_comfy(state)


def test_another_model_is_refused():
    with pytest.raises(StyleExpertError, match=r"img_in\.weight"):
        to_diffusers({"input_blocks.0.0.weight": torch.zeros(1)})
