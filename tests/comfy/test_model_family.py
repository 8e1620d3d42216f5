"""Only FLUX.1 is accepted, by every node that takes a MODEL; the message names the model that was found."""

import inspect

import pytest
import torch
from safetensors.torch import save_file
from styleroute.moe import StyleExpert, StyleExpertError

FLUX2 = {
    "image_model": "flux2", "axes_dim": [32, 32, 32, 32], "num_heads": 1, "mlp_ratio": 3.0, "theta": 2000,
    "out_channels": 128, "in_channels": 128, "patch_size": 1, "global_modulation": True, "mlp_silu_act": True,
    "qkv_bias": False, "ops_bias": False, "default_ref_method": "index", "ref_index_scale": 10.0, "vec_in_dim": None,
    "guidance_embed": False,
}  # fmt: skip


@pytest.fixture
def flux2(parts):
    """FLUX.2's class at the width of the small FLUX.1; the files for FLUX.1 fit its double blocks."""
    changes = dict(FLUX2)
    if "txt_ids_dims" in parts.FLUX:
        changes["txt_ids_dims"] = [3]
    return parts.random_model("Flux2", parts.FLUX | changes)


@pytest.fixture
def others(parts, flux2):
    """Models of other families that share FLUX.1's network class or its model class."""
    import comfy.supported_models

    models = {"FLUX.2": flux2}
    if hasattr(comfy.supported_models, "LongCatImage"):
        longcat = {"vec_in_dim": None, "guidance_embed": False, "txt_ids_dims": [1, 2]}
        models["LongCat-Image"] = parts.random_model("LongCatImage", parts.FLUX | longcat)
    if "txt_ids_dims" in parts.FLUX:
        models["positions of text tokens"] = parts.random_model("Flux", parts.FLUX | {"txt_ids_dims": [1, 2]})
    models["no pooled text vector"] = parts.random_model("Flux", parts.FLUX | {"vec_in_dim": None})
    return models


def _nodes_with_a_model():
    from comfy_api.latest import io
    from styleroute.nodes.extension import NODES
    from styleroute.nodes.model_folders import register_model_folders

    register_model_folders()
    found = {node: node.define_schema() for node in NODES}
    return [node for node, schema in found.items() if any(isinstance(each, io.Model.Input) for each in schema.inputs)]


def _arguments(node, model, region_expert, prompt) -> dict:
    """Arguments for `execute`: the model, and a fitting value for every other required input."""
    values = {
        "model": model, "style_expert": region_expert, "strength": 1.0, "conditioning": prompt, "positive": prompt,
        "latent_image": {"samples": torch.zeros(1, 16, 8, 12)}, "region_expert": "none", "expert_strength": 1.0,
        "region": "style", "background_lock": 0.0, "heat_preview": False, "seed": 0, "steps": 1, "cfg": 1.0,
        "sampler_name": "euler", "scheduler": "simple", "denoise": 1.0, "content": 1.0,
    }  # fmt: skip
    names = inspect.signature(node.execute).parameters
    if "content" in names:
        values["style"] = 1.0  # a dial there, and a STYLE in other nodes
    takes_all = any(name.kind is name.VAR_KEYWORD for name in names.values())
    return {name: value for name, value in values.items() if takes_all or name in names}


def test_every_node_with_a_model_refuses_other_families(others, region_expert, prompt):
    found = _nodes_with_a_model()
    assert len(found) >= 3
    for node in found:
        for family, model in others.items():
            with pytest.raises(StyleExpertError, match=rf"The model is .*{family}.*FLUX.1 Kontext only"):
                node.execute(**_arguments(node, model, region_expert, prompt()))


def test_a_file_that_names_another_base_is_refused(flux, tmp_path):
    from styleroute.nodes.model_patching import patch_keys

    key = "transformer.transformer_blocks.0.attn.to_q"
    weights = {f"{key}.lora_A.weight": torch.zeros(4, 128), f"{key}.lora_B.weight": torch.zeros(128, 4)}
    metadata = {"lora_adapter_metadata": '{"r": 4, "lora_alpha": 4, "base_model_name_or_path": "bfl/FLUX.2-klein-4B"}'}
    save_file(weights, tmp_path / "klein.safetensors", metadata)
    with pytest.raises(StyleExpertError, match=r"was trained for bfl/FLUX.2-klein-4B \(FLUX.2\), but the loaded model"):
        patch_keys(flux, StyleExpert.open(tmp_path / "klein.safetensors"))
