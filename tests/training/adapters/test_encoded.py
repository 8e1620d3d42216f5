"""Encoded images: a cache keeps the precision that it was started with."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from styleroute.training.adapters.encoded import encode_images
from torch import Tensor


@pytest.fixture
def images(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{number}.png" for number in range(40)]
    for number, path in enumerate(paths):
        Image.new("L", (16, 16), number).save(path)
    return paths


class Machine:
    """Encodes an image to its grey value, with the sign of the encoding; may stop before an image."""

    def __init__(self, *encodings: str, stop_at: int | None = None) -> None:
        self.identity, self.encodings, self.used, self._stop_at = "weights", encodings, set[str](), stop_at

    def encode(self, images: Tensor, encoding: str) -> Tensor:
        self.used.add(encoding)
        values = images[:, :1, ::8, ::8] * 255
        if self._stop_at is not None and (values == self._stop_at).any():
            raise KeyboardInterrupt
        return values.expand(-1, 16, -1, -1) * (1 if encoding == "bf16" else -1)


def _latents(paths: list[Path], machine: Machine, cache: Path) -> np.ndarray:
    return encode_images(paths, machine, cache, "").of(paths, "latents")[:, 0, 0, 0]


@pytest.mark.parametrize("started", ["bf16", "float32"])
def test_a_cache_keeps_the_precision_of_its_start(images: list[Path], tmp_path: Path, started: str) -> None:
    """A run that is resumed on another machine, or with another version, gets the same latents in every row."""
    other = {"bf16": "float32", "float32": "bf16"}[started]
    expected = [number * (1 if started == "bf16" else -1) for number in range(40)]
    with pytest.raises(KeyboardInterrupt):
        _latents(images, Machine(started, other, stop_at=35), tmp_path / "cache")
    machine = Machine(other, started)
    assert _latents(images, machine, tmp_path / "cache").tolist() == pytest.approx(expected, abs=0.01)
    assert machine.used == {started}


def test_a_new_cache_has_the_best_precision_of_the_machine(images: list[Path], tmp_path: Path) -> None:
    machine = Machine("float32", "bf16")
    _latents(images, machine, tmp_path / "cache")
    assert machine.used == {"float32"}


def test_the_tiny_base_encodes_in_both_precisions(monkeypatch: pytest.MonkeyPatch) -> None:
    from styleroute.training.bases import tiny

    pixels = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    found = {}
    for kernels in (True, False):
        monkeypatch.setattr(tiny, "has_bf16_kernels", lambda kernels=kernels: kernels)
        base = tiny.TinyBase()
        found[kernels] = base.encode(pixels), base.encode(pixels, base.encodings[1])
    assert torch.equal(found[True][0], found[False][1])
    assert torch.equal(found[True][1], found[False][0])
    assert not torch.equal(*found[True])
    torch.testing.assert_close(*found[True], rtol=0, atol=0.1)
