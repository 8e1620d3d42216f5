"""Photos: no test photo in training, squares, and what is no photo."""

import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from styleroute.dataset import photos
from styleroute.dataset.photos import Photo, load_photos


def _names(split: str) -> set[str]:
    return {photo.name for photo in load_photos(split)}


def test_no_photo_and_no_template_is_in_both_splits(monkeypatch, photo) -> None:
    # Every tenth is for testing. 0 and 10 stand alone; 20's template, "cat", is in training with its other image.
    names = [f"alone {i}" for i in range(35)]
    names[20], names[21] = "cat-1", "cat-2"
    monkeypatch.setattr(photos, "_bundle", lambda folder: [Photo(name, photo.pixels) for name in names])
    train, test = _names("train"), _names("test")
    assert test & set(names) == {"alone 0", "alone 10", "alone 30"}
    assert train == {name for i, name in enumerate(names) if i % 10}
    assert {"astronaut", "chelsea", "coffee", "china"} <= test


def test_the_bundle_keeps_photos_alone(monkeypatch, tmp_path: Path, photo) -> None:
    image = Image.fromarray(photo.pixels)
    image.resize((1200, 900)).save(tmp_path / "large.webp")
    image.resize((180, 400)).save(tmp_path / "too small.webp")
    image.resize((1000, 200)).save(tmp_path / "too long.webp")
    Image.new("RGB", (300, 300), "gray").save(tmp_path / "plain.webp")
    image.save(tmp_path / "moving.webp", save_all=True, append_images=[image.rotate(90)])
    monkeypatch.setattr(photos, "fetch_wheel", lambda package, target: tmp_path)
    [kept] = photos._bundle(tmp_path)
    assert kept.name == "large"
    assert kept.pixels.shape == (512, 683, 3)


def test_a_square_is_the_middle_or_follows_from_its_seed(photo) -> None:
    assert np.array_equal(photo.square(300), photo.pixels[:, 50:350])
    first, again, other = (photo.square(64, random.Random(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_random_crops_reach_both_ends_and_are_flipped_half_the_time() -> None:
    """A ramp from left to right shows where each crop lay, and whether it was flipped."""
    ramp = Photo("ramp", np.repeat(np.linspace(0, 255, 400).astype(np.uint8)[None, :, None], 300, 0).repeat(3, 2))
    crops = [ramp.square(64, random.Random(seed)).astype(float) for seed in range(60)]
    rises = [crop[0, -1, 0] > crop[0, 0, 0] for crop in crops]
    assert min(crop.min() for crop in crops) < 8
    assert max(crop.max() for crop in crops) > 247
    assert sum(rises) == pytest.approx(30, abs=15)
