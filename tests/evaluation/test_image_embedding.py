"""Embeddings: the shipped SigLIP against its own states, and small random models loaded as users load theirs."""

from pathlib import Path

import numpy as np
import pytest
import torch
from styleroute.errors import DataError
from styleroute.evaluation.image_embedding import load_embedding
from styleroute.training.tiny.shipped import load_vision
from transformers import (
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    CLIPVisionConfig,
    CLIPVisionModel,
    SiglipImageProcessor,
    SiglipVisionConfig,
    SiglipVisionModel,
)

SIZES = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 16,
}


@pytest.fixture
def images() -> list[np.ndarray]:
    return list(np.random.default_rng(0).integers(0, 255, (3, 48, 48, 3), dtype=np.uint8))


def test_the_tiny_one_is_the_mean_of_the_shipped_towers_last_states() -> None:
    images = list(np.random.default_rng(0).integers(0, 255, (3, 128, 128, 3), dtype=np.uint8))
    pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.no_grad():
        expected = load_vision()(pixels).last_hidden_state.mean(1)
    torch.testing.assert_close(load_embedding("tiny")(images), expected, atol=1e-4, rtol=1e-4)


def _clip(folder: Path) -> torch.nn.Module:
    CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(folder)
    text = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=SIZES, projection_dim=12)).eval()
    model.save_pretrained(folder)
    return model


def test_a_clip_gives_its_projected_vector(tmp_path: Path, images) -> None:
    model = _clip(tmp_path)
    pixels = CLIPImageProcessor.from_pretrained(tmp_path)(images, return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        expected = model.visual_projection(model.vision_model(pixels).pooler_output)
    torch.testing.assert_close(load_embedding(str(tmp_path))(images).cpu(), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("kind", "config"), [(CLIPVisionModel, CLIPVisionConfig), (SiglipVisionModel, SiglipVisionConfig)]
)
def test_a_vision_tower_alone_gives_its_pooled_vector(tmp_path: Path, images, kind, config) -> None:
    model = kind(config(**SIZES)).eval()
    model.save_pretrained(tmp_path)
    processor = SiglipImageProcessor(size={"height": 32, "width": 32})
    processor.save_pretrained(tmp_path)
    with torch.no_grad():
        expected = model(processor(images, return_tensors="pt")["pixel_values"]).pooler_output
    torch.testing.assert_close(load_embedding(str(tmp_path))(images).cpu(), expected, atol=1e-4, rtol=1e-4)


def test_what_is_no_model_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"could not be loaded .*: give the name .* or `--embedding tiny`"):
        load_embedding(str(tmp_path))
