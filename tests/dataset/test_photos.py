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
    assert kept.pixels.shape == (768, 1024, 3)


def test_a_square_is_the_middle_or_follows_from_its_seed(photo) -> None:
    assert np.array_equal(photo.square(300), photo.pixels[:, 50:350])
    first, again, other = (photo.square(64, random.Random(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_crop_is_the_largest_middle_part_of_its_aspect(photo) -> None:
    assert np.array_equal(photo.crop((150, 400)), photo.pixels[75:225])
    assert np.array_equal(photo.crop((300, 200)), photo.pixels[:, 100:300])
    halved = np.asarray(Image.fromarray(photo.pixels).resize((200, 150), Image.Resampling.BICUBIC))
    assert np.array_equal(photo.crop((150, 200)), halved)


def test_a_photo_holds_sizes_up_to_its_own(photo) -> None:
    assert photo.size == (300, 400)
    assert photo.holds((300, 400))
    assert not photo.holds((301, 400))
    assert not photo.holds((300, 401))
    assert not photo.holds((400, 300))


@pytest.mark.parametrize(
    ("size", "least"),
    [((64, 64), 0.5 * 300 / 400), ((150, 200), 0.5), ((300, 400), 2 / 3)],
    ids=["half of the square", "half of the photo", "enlarged by 1.5"],
)
def test_a_random_crop_shows_half_the_photo_and_is_enlarged_by_1_5_at_most(size: tuple[int, int], least: float) -> None:
    """On a ramp from left to right, the range of the values is the share of the width that a crop shows."""
    ramp = Photo("ramp", np.repeat(np.linspace(0, 255, 400).astype(np.uint8)[None, :, None], 300, 0).repeat(3, 2))
    crops = [ramp.crop(size, random.Random(seed)) for seed in range(40)]
    assert all(crop.shape == (*size, 3) for crop in crops)
    shares = [float(np.ptp(crop)) / 255 for crop in crops]
    assert least - 0.03 < min(shares) < least + 0.1
    largest = min(1.0, size[1] / size[0] * 300 / 400)
    assert largest - 0.1 < max(shares) <= largest + 0.01


def test_random_crops_reach_both_ends_and_are_flipped_half_the_time() -> None:
    """A ramp from left to right shows where each crop lay, and whether it was flipped."""
    ramp = Photo("ramp", np.repeat(np.linspace(0, 255, 400).astype(np.uint8)[None, :, None], 300, 0).repeat(3, 2))
    crops = [ramp.square(64, random.Random(seed)).astype(float) for seed in range(60)]
    rises = [crop[0, -1, 0] > crop[0, 0, 0] for crop in crops]
    assert min(crop.min() for crop in crops) < 8
    assert max(crop.max() for crop in crops) > 247
    assert sum(rises) == pytest.approx(30, abs=15)
