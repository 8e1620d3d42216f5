"""The layer names at full Kontext size, against diffusers' model (tests/comfy compares with ComfyUI's)."""

import pytest
import torch
from diffusers import Flux2Transformer2DModel, FluxTransformer2DModel
from styleroute.flux.layer_names import (
    OUTER_LAYERS,
    SWAPPED_LAYER,
    all_layers,
    comfy_target,
    diffusers_layer,
    in_comfy_order,
    is_flux2_layer,
    is_flux_layer,
    layer_order,
    layer_shape,
)
from styleroute.moe import StyleExpertError

HIDDEN, DOUBLE, SINGLE = 3072, 19, 38
LAYERS = all_layers(DOUBLE, SINGLE)


@pytest.fixture(scope="module")
def kontext_linears() -> dict[str, torch.nn.Linear]:
    with torch.device("meta"):
        model = FluxTransformer2DModel(in_channels=64, guidance_embeds=True)
    return {name: module for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)}


def test_every_linear_of_diffusers_flux(kontext_linears):
    assert {*LAYERS, *OUTER_LAYERS, SWAPPED_LAYER} == kontext_linears.keys()


def test_shapes(kontext_linears):
    for layer in LAYERS:
        linear = kontext_linears[layer]
        assert layer_shape(layer, HIDDEN) == (linear.out_features, linear.in_features), layer


def test_round_trip():
    for layer in (*LAYERS, *OUTER_LAYERS, SWAPPED_LAYER):
        target = comfy_target(layer, HIDDEN)
        assert diffusers_layer(target.key, target.rows, HIDDEN) == layer


def test_other_widths():
    assert comfy_target("single_transformer_blocks.2.proj_mlp", 256, 3.0).rows == (768, 768)
    assert layer_shape("single_transformer_blocks.2.proj_out", 256, 3.0) == (256, 1024)


def test_fused_rows_cover_each_weight_once():
    rows: dict[str, list[tuple[int, int]]] = {}
    for layer in LAYERS:
        target = comfy_target(layer, HIDDEN)
        if target.rows:
            rows.setdefault(target.key, []).append(target.rows)
    for spans in rows.values():
        ends = [0] + [start + length for start, length in sorted(spans)]
        assert [start for start, _ in sorted(spans)] == ends[:-1]


@pytest.mark.parametrize(
    ("layer", "key", "rows"),
    [
        ("transformer_blocks.0.attn.to_q", "double_blocks.0.img_attn.qkv", (0, 3072)),
        ("transformer_blocks.18.attn.add_v_proj", "double_blocks.18.txt_attn.qkv", (6144, 3072)),
        ("transformer_blocks.3.ff_context.net.2", "double_blocks.3.txt_mlp.2", None),
        ("transformer_blocks.3.norm1_context.linear", "double_blocks.3.txt_mod.lin", None),
        ("single_transformer_blocks.37.attn.to_k", "single_blocks.37.linear1", (3072, 3072)),
        ("single_transformer_blocks.5.proj_mlp", "single_blocks.5.linear1", (9216, 12288)),
        ("single_transformer_blocks.5.proj_out", "single_blocks.5.linear2", None),
    ],
)
def test_facts_of_comfyui(layer, key, rows):
    assert comfy_target(layer, HIDDEN) == (key, rows)


def test_block_order():
    shuffled = sorted(LAYERS)
    assert sorted(shuffled, key=layer_order) == list(LAYERS)


@pytest.mark.parametrize("layer", ["mid_block.attn.to_q", "transformer_blocks.0.attn.to_x", "transformer_blocks.x.ff"])
def test_unknown_layers_are_refused(layer):
    with pytest.raises(StyleExpertError, match="no linear layer of FLUX"):
        comfy_target(layer, HIDDEN)


def test_only_the_last_modulation_has_swapped_halves():
    rows = torch.arange(6)
    assert in_comfy_order(SWAPPED_LAYER, rows).tolist() == [3, 4, 5, 0, 1, 2]
    assert all(in_comfy_order(layer, rows) is rows for layer in (*LAYERS, *OUTER_LAYERS))


def test_flux2_layers_are_no_flux_layers():
    with torch.device("meta"):
        model = Flux2Transformer2DModel(num_layers=1, num_single_layers=1)
    names = [name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)]
    only_there = [name for name in names if not is_flux_layer(name)]
    assert only_there
    assert all(map(is_flux2_layer, only_there))
    assert not any(map(is_flux2_layer, (*LAYERS, *OUTER_LAYERS)))


@pytest.mark.parametrize("rows", [None, (1, 3072), (0, 6144)])
def test_rows_that_are_no_layer_are_refused(rows):
    with pytest.raises(StyleExpertError, match="no layer of diffusers"):
        diffusers_layer("double_blocks.0.img_attn.qkv", rows, HIDDEN)
