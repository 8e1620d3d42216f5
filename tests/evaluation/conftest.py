"""Triplets in plain colours, mean colours as style vectors and textures, and expert files with random weights."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from styleroute.dataset.triplets import Triplet, read_triplets
from styleroute.moe import ExpertConfig, save_expert

from .model_folders import (  # noqa: F401
    clip_folder,
    csd_folder,
    csd_state,
    dino_folder,
    lpips_file,
    metric_images,
    vlm_folder,
)

SIDE = 64
COLOURS = {"red": (230, 30, 30), "lime": (30, 230, 30), "blue": (30, 30, 230)}
SEEN = ("blue",)
CONTENTS = ("cat", "dog", "owl", "pig")
LAYER = "transformer_blocks.0.attn.to_q"


def photo(number: int) -> np.ndarray:
    """Random grey squares, different for each number, [64, 64, 3] uint8."""
    squares = np.random.default_rng(number).integers(60, 200, (8, 8), dtype=np.uint8)
    return np.repeat(np.kron(squares, np.ones((8, 8), np.uint8))[..., None], 3, axis=2)


def stylised(number: int, colour: tuple[int, int, int]) -> np.ndarray:
    """The photo, mixed with three quarters of a colour."""
    return (photo(number) * 0.25 + np.array(colour) * 0.75).round().astype(np.uint8)


def mean_colour(image: np.ndarray) -> np.ndarray:
    """A stand-in for the style-vector network: [H, W, 3] uint8 -> [3]."""
    return image.mean((0, 1)) / 255


@pytest.fixture
def network():
    return mean_colour


@pytest.fixture
def statistics():
    """A stand-in for the texture statistics: [H, W, 3] uint8 -> {"colour": [3]}."""
    return lambda image: {"colour": mean_colour(image)}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A test split: two unseen styles and a seen one on four photos."""
    folder, rows = tmp_path / "data" / "test", []
    for style in ("content", *COLOURS):
        (folder / style).mkdir(parents=True)
    for number, content in enumerate(CONTENTS):
        Image.fromarray(photo(number)).save(folder / "content" / f"{number}.png")
        for style, colour in COLOURS.items():
            Image.fromarray(stylised(number, colour)).save(folder / style / f"{number}.png")
            rows.append(
                {
                    "content_file_name": f"content/{number}.png",
                    "reference_file_name": f"{style}/{(number + 1) % len(CONTENTS)}.png",
                    "stylised_file_name": f"{style}/{number}.png",
                    "style": style,
                    "style_id": list(COLOURS).index(style),
                    "content_name": content,
                    "prompt": f"a photo of a {content}",
                    "seen_style": style in SEEN,
                }
            )
    (folder / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return tmp_path / "data"


@pytest.fixture
def triplets(data: Path) -> list[Triplet]:
    return read_triplets(data, "test")


@pytest.fixture
def write_moe(tmp_path: Path):
    """Writes routed experts for one layer of the small Kontext; `cond_dim` is the width of the routers' input."""

    def write(cond_dim: int = 256, base: str = "tiny-kontext", name: str = "moe", seed: int = 0) -> Path:
        torch.manual_seed(seed)
        shapes = {"loraA": (4, 2, 256), "loraB": (4, 256, 2), "shared_A": (1, 2, 256), "shared_B": (1, 256, 2)}
        shapes["cond_gate.weight"] = (4, cond_dim)
        config = ExpertConfig(
            kind="style-moe", num_experts=4, rank=2, shared_rank=2, top_k=2, alpha=4.0, cond_dim=cond_dim, base=base
        )
        path = tmp_path / f"{name}.safetensors"
        save_expert(path, {f"{LAYER}.lora_layer.{key}": torch.randn(s) for key, s in shapes.items()}, config, None)
        return path

    return write


@pytest.fixture
def write_lora(tmp_path: Path):
    """Writes a plain LoRA for one layer of the small Kontext."""

    def write() -> Path:
        config = ExpertConfig(
            kind="lora", num_experts=1, rank=2, shared_rank=0, top_k=1, alpha=2, cond_dim=0, base="tiny-kontext"
        )
        weights = {"lora_A": torch.randn(2, 256), "lora_B": torch.randn(256, 2)}
        path = tmp_path / "lora.safetensors"
        save_expert(path, {f"transformer.{LAYER}.{key}.weight": w for key, w in weights.items()}, config, None)
        return path

    return write
