"""The plain SigLIP tower gives the states of transformers' tower, and refuses other files."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from styleroute.moe import EncoderConfig, StyleExpertError
from styleroute.moe.header import read_header
from styleroute.moe.siglip import SiglipSizes, _sizes, load_siglip
from styleroute.paths import TINY_MODELS
from styleroute.training.tiny.shipped import load_vision
from transformers import SiglipVisionConfig, SiglipVisionModel

SMALL = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_attention_heads": 4,
    "num_hidden_layers": 3,
    "image_size": 32,
    "patch_size": 8,
    "layer_norm_eps": 1e-5,
}


@pytest.fixture
def folder(tmp_path: Path) -> tuple[Path, SiglipVisionModel]:
    """A random tower in a folder of transformers' layout, as in a download of the whole SigLIP."""
    torch.manual_seed(0)
    model = SiglipVisionModel(SiglipVisionConfig(**SMALL)).eval()
    state = {f"vision_model.{key.removeprefix('vision_model.')}": weight for key, weight in model.state_dict().items()}
    save_file({**state, "logit_scale": torch.ones(1)}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "siglip", "vision_config": SMALL}))
    return tmp_path, model


@torch.no_grad()
def expected_states(model: SiglipVisionModel, images: torch.Tensor) -> torch.Tensor:
    outputs = model(pixel_values=images.movedim(-1, 1) * 2 - 1, output_hidden_states=True)
    return torch.stack(outputs.hidden_states[1:], dim=1)


def test_all_states_equal_those_of_transformers(folder):
    path, model = folder
    images = torch.rand(2, 32, 32, 3).mul(255).round() / 255
    found = load_siglip(path)(images)
    assert found.shape == (2, 3, 16, 32)
    torch.testing.assert_close(found, expected_states(model, images), atol=1e-5, rtol=1e-5)


def test_the_shipped_tower_needs_no_configuration():
    images = torch.rand(1, 128, 128, 3).mul(255).round() / 255
    found = load_siglip(TINY_MODELS / "siglip.safetensors")(images)
    torch.testing.assert_close(found, expected_states(load_vision(), images), atol=2e-3, rtol=1e-3)


def test_the_heads_of_published_towers_follow_from_their_width(tmp_path: Path):
    shapes = {"patch_embedding.weight": (1152, 3, 14, 14), "position_embedding.weight": (729, 1152)}
    state = {f"vision_model.embeddings.{key}": torch.zeros(shape).half() for key, shape in shapes.items()}
    state["vision_model.encoder.layers.0.mlp.fc1.weight"] = torch.zeros(4304, 1152).half()
    save_file(state, tmp_path / "so400m.safetensors")
    sizes = _sizes(read_header(tmp_path / "so400m.safetensors"), {})
    assert sizes == SiglipSizes(layers=1, width=1152, mlp_width=4304, heads=16, side=384, patch=14)


def test_images_are_resized_without_cropping(folder):
    tower = load_siglip(folder[0])
    image = torch.rand(1, 50, 90, 4)
    assert tower(image).shape == (1, 3, 16, 32)
    assert torch.equal(tower(image), tower(image[..., :3]))


def test_a_tower_of_other_sizes_is_refused(folder):
    tower = load_siglip(folder[0])
    fitting = EncoderConfig(
        taps=(-1, -3), num_queries=2, num_tokens=16, hidden_size=32, proj_dim=8, cond_dim=32, vision_model="small"
    )
    tower.require_fit(fitting)
    with pytest.raises(StyleExpertError, match=r"has 16 tokens of width 32 and 3 layers, but .* .729 tokens of width"):
        tower.require_fit(EncoderConfig())


@pytest.mark.parametrize("change", ["lacks", "patches", "text", "heads", "side"])
def test_other_files_are_refused(folder, change: str):
    path, model = folder
    state = {f"vision_model.{key.removeprefix('vision_model.')}": weight for key, weight in model.state_dict().items()}
    if change == "lacks":
        del state["vision_model.encoder.layers.1.mlp.fc2.bias"]
    elif change == "patches":
        state["vision_model.embeddings.patch_embedding.weight"] = torch.zeros(32, 1, 8, 8)
    elif change == "text":
        state = {"text_model.embeddings.weight": torch.zeros(2, 2)}
    else:
        wrong = {"num_attention_heads": 5} if change == "heads" else {"image_size": 64}
        (path / "config.json").write_text(json.dumps(SMALL | wrong))
    save_file(state, path / "model.safetensors")
    with pytest.raises(StyleExpertError, match="is no SigLIP vision model"):
        load_siglip(path)


def test_nothing_is_allocated_for_layers_that_are_not_in_the_file(folder):
    """One wide layer and the names of 999 layers would take terabytes."""
    path, model = folder
    state = {f"vision_model.{key.removeprefix('vision_model.')}": weight for key, weight in model.state_dict().items()}
    state["vision_model.encoder.layers.0.mlp.fc1.weight"] = torch.zeros(2**20, 32)
    state |= {f"vision_model.encoder.layers.{layer}.x": torch.zeros(1) for layer in range(3, 999)}
    save_file(state, path / "model.safetensors")
    (path / "config.json").write_text("[" * 2**21)
    with pytest.raises(StyleExpertError, match="is no SigLIP vision model"):
        load_siglip(path)


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(StyleExpertError, match=r"model\.safetensors cannot be read"):
        load_siglip(tmp_path)
