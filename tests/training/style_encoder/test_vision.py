"""A SigLIP from a folder, and the demo pack's own."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from styleroute.errors import TrainingError
from styleroute.training.style_encoder.vision import Vision, load_vision, require_layers
from styleroute.training.tiny.edit_samples import vision_size
from styleroute.training.tiny.shipped import load_vision as load_tiny
from styleroute.training.tiny.train_vision import normalize
from transformers import CLIPVisionConfig, CLIPVisionModel, SiglipImageProcessor, SiglipVisionModel


@pytest.fixture
def images() -> list[Image.Image]:
    noise = np.random.default_rng(0).integers(0, 255, (2, 40, 50, 3), dtype=np.uint8)
    return [Image.fromarray(pixels) for pixels in noise]


@pytest.fixture
def copy(siglip: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(siglip, tmp_path / "copy"))


def test_states_are_the_hidden_states_that_transformers_gives(
    siglip: Path, vision: Vision, images: list[Image.Image]
) -> None:
    model, processor = SiglipVisionModel.from_pretrained(siglip), SiglipImageProcessor.from_pretrained(siglip)
    with torch.no_grad():
        theirs = model(**processor(images=images, return_tensors="pt"), output_hidden_states=True)
    ours = vision.read(images, (-2, -4))
    expected = torch.stack([theirs.hidden_states[-2], theirs.hidden_states[-4]], dim=1)
    torch.testing.assert_close(ours.states, expected)
    torch.testing.assert_close(ours.pooled, theirs.pooler_output)
    assert (vision.num_layers, vision.num_tokens, vision.hidden_size) == (4, 16, 24)


def test_the_tiny_one_reads_images_as_its_own_training_did(images: list[Image.Image]) -> None:
    vision = load_vision("tiny")
    pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255
    bytes_ = (vision_size(pixels) * 255).round().byte()
    ours = vision.read(images, (-2, -5))
    hidden = load_tiny()(normalize(bytes_), output_hidden_states=True).hidden_states
    torch.testing.assert_close(ours.states, torch.stack([hidden[-2], hidden[-5]], dim=1), rtol=1e-4, atol=1e-4)
    assert not vision.has_head
    assert vision.identity == load_vision("tiny").identity


def test_other_weights_are_another_identity(copy: Path, vision: Vision) -> None:
    assert load_vision(str(copy)).identity == vision.identity
    state = load_file(copy / "model.safetensors")
    next(iter(state.values())).view(-1)[0] += 1
    save_file(state, copy / "model.safetensors", metadata={"format": "pt"})
    assert load_vision(str(copy)).identity != vision.identity


def test_too_few_layers_are_refused(vision: Vision) -> None:
    require_layers(vision, (-4, -1))
    with pytest.raises(TrainingError, match=r"taps reach layer -5 from the end, but .* has 4 layers: give other taps"):
        require_layers(vision, (-1, -5))


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"cannot be opened .*: give the name of a SigLIP"):
        load_vision(str(tmp_path))


def test_a_model_of_another_kind_is_refused(tmp_path: Path) -> None:
    sizes = {"hidden_size": 8, "intermediate_size": 8, "num_attention_heads": 1, "num_hidden_layers": 1}
    CLIPVisionModel(CLIPVisionConfig(image_size=8, patch_size=4, **sizes)).save_pretrained(tmp_path)
    with pytest.raises(TrainingError, match=r"of the kind 'clip_vision_model', expected a SigLIP"):
        load_vision(str(tmp_path))


def test_missing_weights_are_refused(copy: Path) -> None:
    state = load_file(copy / "model.safetensors")
    del state[next(name for name in state if "layers.1" in name)]
    save_file(state, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(TrainingError, match=r"lacks 1 weights of a SigLIP, .*layers\.1.*: give a complete copy"):
        load_vision(str(copy))


def test_cut_weights_are_refused(copy: Path) -> None:
    file = copy / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(TrainingError, match="cannot be opened"):
        load_vision(str(copy))


def test_a_preprocessor_of_another_size_is_refused(copy: Path) -> None:
    file = copy / "preprocessor_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "size": {"height": 64, "width": 64}}))
    with pytest.raises(TrainingError, match=r"takes images of 32 x 32, but its preprocessor_config\.json says 64"):
        load_vision(str(copy))
