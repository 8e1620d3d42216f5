"""Small datasets for both protocols, and a fresh accelerator for each test."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from accelerate.state import AcceleratorState
from PIL import Image
from styleroute.evaluation.protocols.options import DiffusersOptions
from styleroute.evaluation.protocols.region_route import RegionProtocol
from styleroute.evaluation.protocols.style_expert import StyleProtocol
from styleroute.progress import console


def save_noise(path: Path, seed: int = 0, side: int = 32) -> None:
    """Writes an image of random colours."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)).save(path)


@pytest.fixture
def protocol(tmp_path: Path) -> StyleProtocol:
    """Three styles with two images each, and four contents."""
    for number in range(4):
        save_noise(tmp_path / "contents" / f"{number}.png", number)
    for style in ("ink", "mosaic", "wool"):
        for number in range(2):
            save_noise(tmp_path / "styles" / style / f"{number}.png", 9 + number)
    return StyleProtocol(tmp_path / "contents", tmp_path / "styles", tmp_path / "out", pairs=5, seeds=2)


@pytest.fixture
def regions(tmp_path: Path) -> RegionProtocol:
    """BIG's layout with one dog, which fills a quarter of the photo."""
    save_noise(tmp_path / "big" / "test" / "dog_1_im.jpg", side=64)
    mask = np.zeros((64, 64), np.uint8)
    mask[:32, :32] = 255
    Image.fromarray(mask).save(tmp_path / "big" / "test" / "dog_1_gt.png")
    return RegionProtocol("big", tmp_path / "big", tmp_path / "out", photos=1, side=64)


@pytest.fixture
def one_step(kontext_folder: Path) -> DiffusersOptions:
    """The small random Kontext with one sampling step."""
    return DiffusersOptions(base=str(kontext_folder), steps=1, text_tokens=16, device="cpu", precision="float32")


@pytest.fixture(autouse=True)
def fresh_accelerator() -> Iterator[None]:
    """Reset accelerate's state, and what it tells the console."""
    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)
    console.quiet = False
