"""A small set of triplets in plain stripes, and a small random SigLIP in a folder."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from styleroute.training.style_encoder.config import EncoderTrainConfig
from styleroute.training.style_encoder.vision import Vision, load_vision
from transformers import SiglipImageProcessor, SiglipVisionConfig, SiglipVisionModel

SIDE = 32
STYLES = {"train": {"upright": 0, "level": 1, "checked": 2}, "test": {"slanted": 3, "dotted": 4}}
CONTENTS = 5


def stripes(style: int, content: int) -> Image.Image:
    """A style is a direction of stripes; a content is a brightness and noise."""
    rng = np.random.default_rng(1000 * style + content)
    rows, cols = np.mgrid[:SIDE, :SIDE]
    waves = (cols, rows, (rows // 4 + cols // 4) * 4, rows + cols, 4 * (rows % 8 < 3) * (cols % 8 < 3))
    pixels = 128 + 70 * np.cos(waves[style] * np.pi / 4) + 12 * content + 10 * rng.normal(size=(SIDE, SIDE))
    return Image.fromarray(np.repeat(pixels.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2))


def write_split(folder: Path, split: str) -> None:
    rows = []
    (folder / split / "content").mkdir(parents=True)
    for content in range(CONTENTS):
        Image.new("RGB", (SIDE, SIDE), "gray").save(folder / split / "content" / f"{content}.png")
    for style, style_id in STYLES[split].items():
        (folder / split / style).mkdir()
        for content in range(CONTENTS):
            stripes(style_id, content).save(folder / split / style / f"{content}.png")
            rows.append(
                {
                    "content_file_name": f"content/{content}.png",
                    "reference_file_name": f"{style}/{(content + 1) % CONTENTS}.png",
                    "stylised_file_name": f"{style}/{content}.png",
                    "style": style,
                    "style_id": style_id,
                    "content_name": f"thing {content}",
                    "prompt": "a photo",
                    "seen_style": split == "train",
                }
            )
    (folder / split / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three styles to train and two to test, five contents each."""
    for split in STYLES:
        write_split(tmp_path / "data", split)
    return tmp_path / "data"


@pytest.fixture(scope="session")
def siglip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random SigLIP of 4 layers, 16 tokens x 24, with its preprocessor."""
    folder = tmp_path_factory.mktemp("siglip")
    sizes = {"hidden_size": 24, "intermediate_size": 48, "num_attention_heads": 2, "num_hidden_layers": 4}
    torch.manual_seed(0)
    SiglipVisionModel(SiglipVisionConfig(image_size=SIDE, patch_size=8, **sizes)).save_pretrained(folder)
    half = [0.5, 0.5, 0.5]
    SiglipImageProcessor(size={"height": SIDE, "width": SIDE}, image_mean=half, image_std=half).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def vision(siglip: Path) -> Vision:
    return load_vision(str(siglip))


@pytest.fixture
def config(tmp_path: Path, data: Path, siglip: Path) -> EncoderTrainConfig:
    return EncoderTrainConfig(
        data=data,
        vision=str(siglip),
        taps=(-1, -3),
        num_queries=4,
        proj_dim=8,
        rate=3e-3,
        batch=12,
        steps=6,
        save_every=2,
        run=tmp_path / "run",
        cache=tmp_path / "cache",
    )
