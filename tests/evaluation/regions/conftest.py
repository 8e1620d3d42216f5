"""Grey scenes with a square object in plain colours, mean colours as style vectors, and LoRAs with random weights."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from styleroute.dataset.region_manifest import (
    Region,
    RegionExample,
    mask_name,
    read_manifest,
    region_prompt,
    write_manifest,
)
from styleroute.moe import ExpertConfig, save_expert
from styleroute.training.regions.variants import variant_file

SIDE = 256
COLOURS = {"ink comic": (230, 30, 30), "woven": (30, 30, 230)}
OBJECTS = ("teapot", "violin")
LAYER = "transformer_blocks.0.attn.to_q"


def photo(number: int) -> np.ndarray:
    """Random grey squares, different for each number, [256, 256, 3] uint8."""
    squares = np.random.default_rng(number).integers(60, 200, (8, 8), dtype=np.uint8)
    return np.repeat(np.kron(squares, np.ones((32, 32), np.uint8))[..., None], 3, axis=2)


def square_mask(left: int = 64, side: int = 64) -> np.ndarray:
    """White inside a square, [256, 256] uint8."""
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[64 : 64 + side, left : left + side] = 255
    return mask


def write_example(folder: Path, number: int, object_name: str, style: str, left: int) -> RegionExample:
    name = f"{number:04}"
    paths = {kind: folder / kind for kind in ("original", "styled", "masks")}
    for path in paths.values():
        path.mkdir(parents=True, exist_ok=True)
    original, mask = photo(number), square_mask(left)
    styled = np.where(mask[..., None] > 0, np.array(COLOURS[style], np.uint8), original)
    files = (
        paths["original"] / f"{name}.png",
        paths["styled"] / f"{name}_{object_name}_{style.replace(' ', '_')}.png",
        paths["masks"] / mask_name(name, object_name),
    )
    for file, pixels in zip(files, (original, styled, mask), strict=True):
        Image.fromarray(pixels).save(file)
    return RegionExample(region_prompt(object_name, style), files[0], files[1], (Region(object_name, style, files[2]),))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A test split of three scenes with two objects each, and two styles."""
    folder = tmp_path / "data" / "test"
    examples = [
        write_example(folder, number, object_name, style, 32 + 128 * position)
        for number in range(3)
        for style in COLOURS
        for position, object_name in enumerate(OBJECTS)
    ]
    write_manifest(folder, examples)
    return tmp_path / "data"


@pytest.fixture
def examples(data: Path) -> list[RegionExample]:
    return read_manifest(data, "test")


@pytest.fixture
def network():
    """A stand-in for the style-vector network: [H, W, 3] uint8 -> the mean colour [3]."""
    return lambda image: image.mean((0, 1)) / 255


@pytest.fixture
def write_variant(tmp_path: Path):
    """Writes a variant's file: a plain LoRA for one layer of the small Kontext. Returns the folder of all variants."""

    def write(name: str, style: str, base: str = "tiny-kontext", seed: int = 0, steps: int = 3) -> Path:
        torch.manual_seed(seed)
        weights = {"lora_A": torch.randn(4, 256) * 0.3, "lora_B": torch.randn(256, 4) * 0.3}
        lora = {f"transformer.{LAYER}.{key}.weight": weight for key, weight in weights.items()}
        path = variant_file(tmp_path / "variants", name, style)
        path.parent.mkdir(parents=True, exist_ok=True)
        config = ExpertConfig.plain_lora(4, base)
        save_expert(path, lora, config, None, None, {"style": style, "steps": steps})
        return tmp_path / "variants"

    return write
