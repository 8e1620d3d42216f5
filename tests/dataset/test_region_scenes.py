"""`styleroute data regions`: equal bytes for equal seeds, separate splits, and a style on the object alone."""

import json
import shutil
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from styleroute.cli import data, main
from styleroute.dataset import region_scenes
from styleroute.dataset.objects import TEST_OBJECTS, Cutout
from styleroute.dataset.photos import Photo
from styleroute.dataset.region_manifest import read_manifest
from styleroute.dataset.region_scenes import RegionScenes, RegionScenesConfig, blend
from styleroute.dataset.teacher import STYLE_NAMES, TEST_STYLES
from styleroute.errors import DataError

STYLES = ("woven", "dusk")
SMALL = ["--no-large-photos", "--scenes", "5", "--test-scenes", "3", "--size", "64", "--styles", *STYLES]
Usage = namedtuple("Usage", "total used free")


def _teacher(image: np.ndarray, style: int) -> np.ndarray:
    return image // 2 + np.uint8(4 * style)


@pytest.fixture
def sources(monkeypatch, objects: list[Cutout]) -> None:
    """Photos of noise, four objects (two of them for testing), and a teacher that adds the style's number."""
    generator = np.random.default_rng(0)
    photos = {
        split: [Photo(f"{split}-{number}", generator.integers(0, 120, (200, 240, 3), dtype=np.uint8))
                for number in range(3)]
        for split in ("train", "test")
    }  # fmt: skip
    kept = [Cutout(name, cutout.pixels) for name, cutout in zip(TEST_OBJECTS, objects, strict=False)]
    monkeypatch.setattr(data, "load_photos", photos.get)
    monkeypatch.setattr(data, "load_objects", lambda: [*objects, *kept])
    monkeypatch.setattr(region_scenes, "stylise", _teacher)


def _make(output: Path, *more: str) -> int:
    return main(["data", "regions", "--output", str(output), *SMALL, *more])


def _pixels(path: Path) -> np.ndarray:
    return np.array(Image.open(path))


def test_the_same_seed_gives_the_same_bytes(sources, tmp_path: Path, read_all) -> None:
    for name, seed in (("first", "1"), ("again", "1"), ("other", "2")):
        assert _make(tmp_path / name, "--seed", seed) == 0
    first = read_all(tmp_path / "first")
    assert first == read_all(tmp_path / "again")
    assert first["train/original/0001.png"] != read_all(tmp_path / "other")["train/original/0001.png"]


def test_only_the_object_is_stylised_by_its_mask(sources, tmp_path: Path) -> None:
    assert _make(tmp_path / "set") == 0
    for example in read_manifest(tmp_path / "set", "train"):
        original, styled = _pixels(example.original), _pixels(example.styled)
        [region] = example.regions
        mask = _pixels(region.mask)
        stylised = _teacher(original, STYLE_NAMES.index(region.style))
        assert mask.shape == (64, 64)
        assert np.array_equal(styled[mask == 0], original[mask == 0])
        assert np.array_equal(styled[mask == 255], stylised[mask == 255])
        assert np.array_equal(styled, blend(original, stylised, mask))
        assert (mask == 255).any()
        assert example.prompt == f"make the {region.object} in {region.style} style, keep other area unchanged"


def test_photos_and_objects_of_the_test_split_are_kept_out(sources, tmp_path: Path) -> None:
    assert _make(tmp_path / "set") == 0
    objects = {split: {region.object for row in read_manifest(tmp_path / "set", split) for region in row.regions}
               for split in ("train", "test")}  # fmt: skip
    assert objects["train"] <= {"ball", "coin"}
    assert objects["test"] <= set(TEST_OBJECTS)
    report = json.loads((tmp_path / "set" / "report.json").read_text())
    assert set(report["splits"]["train"]["photos"]) == {f"train-{number}" for number in range(3)}
    assert set(report["splits"]["test"]["photos"]) == {f"test-{number}" for number in range(3)}


def test_each_object_of_a_scene_is_asked_for_in_each_style(sources, tmp_path: Path) -> None:
    assert _make(tmp_path / "set") == 0
    rows = read_manifest(tmp_path / "set", "train")
    asked = {(row.original.stem, row.regions[0].object, row.regions[0].style) for row in rows}
    scenes = {row.original.stem: {path.stem for path in row.original.parents[1].glob(f"masks/*_{row.original.stem}_*")}
              for row in rows}  # fmt: skip
    assert len(scenes) == 5
    assert len(asked) == len(rows) == len(STYLES) * sum(map(len, scenes.values()))
    # Some scenes have two objects: only the prompt says which one changes.
    assert {len(masks) for masks in scenes.values()} == {1, 2}


def test_scenes_without_styles_are_the_photos_with_all_their_objects(sources, tmp_path: Path) -> None:
    arguments = ["--no-large-photos", "--scenes", "5", "--test-scenes", "3", "--size", "64"]
    assert main(["data", "objects", "--output", str(tmp_path / "set"), *arguments]) == 0
    assert _make(tmp_path / "styled", "--scenes", "5") == 0
    rows = read_manifest(tmp_path / "set", "train")
    assert len(rows) == 5
    assert not (tmp_path / "set" / "train" / "styled").exists()
    assert {len(row.regions) for row in rows} == {1, 2}
    for row in rows:
        assert row.styled == row.original
        assert row.styles == ()
        assert row.prompt == " and ".join(f"a {region.object}" for region in row.regions)
        # The scene of a number is the same with and without styles.
        same = tmp_path / "styled" / "train" / "original" / row.original.name
        assert np.array_equal(_pixels(row.original), _pixels(same))
    report = json.loads((tmp_path / "set" / "report.json").read_text())
    assert report["made_with"] == {"scenes": 5, "test_scenes": 3, "seed": 0, "size": 64}
    assert (report["splits"]["train"]["examples"], report["splits"]["train"]["styles"]) == (5, {})


def test_the_report_counts_what_there_is(sources, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert _make(tmp_path / "set", "--seed", "3") == 0
    shown = capsys.readouterr().out
    report = json.loads((tmp_path / "set" / "report.json").read_text())
    assert report["made_with"] == {"styles": list(STYLES), "scenes": 5, "test_scenes": 3, "seed": 3, "size": 64}
    train = report["splits"]["train"]
    rows = read_manifest(tmp_path / "set", "train")
    assert (train["scenes"], train["examples"]) == (5, len(rows))
    assert train["styles"] == {style: len(rows) // 2 for style in sorted(STYLES)}
    assert sum(train["objects"].values()) == len(rows) // 2
    assert 0 < train["area"]["least"] <= train["area"]["median"] <= train["area"]["most"] < 1
    assert "train" in shown
    assert str(len(rows)) in shown


def test_scenes_follow_from_their_number_alone(photo: Photo, objects: list[Cutout], monkeypatch) -> None:
    monkeypatch.setattr(region_scenes, "stylise", _teacher)
    few, many = (RegionScenes("train", RegionScenesConfig(scenes=count, size=32), [photo], objects) for count in (2, 4))
    for one, other in zip(few, many, strict=False):
        assert np.array_equal(one.image, other.image)
        assert one.masks.keys() == other.masks.keys()


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"styles": ("watercolour",)}, "the style 'watercolour' is unknown: give some of pastel, ink comic"),
        ({"styles": (STYLE_NAMES[TEST_STYLES[0]],)}, "is reserved for testing: give some of pastel"),
        ({"styles": ()}, "the styles are none: give one or more, each once"),
        ({"styles": ("dusk", "dusk")}, "the styles are dusk, dusk: give one or more, each once"),
        ({"scenes": 0}, "scenes is 0: give at least 1"),
        ({"test_scenes": 0}, "test scenes is 0: give at least 1"),
    ],
)
def test_impossible_values_are_refused(values: dict, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        RegionScenesConfig(**values)


def test_a_run_that_cannot_finish_does_not_start(sources, tmp_path: Path, monkeypatch, capsys) -> None:
    assert _make(tmp_path / "set", "--limit", "0") == 1
    assert "limit is 0, expected 1 photo or more" in capsys.readouterr().err
    assert _make(tmp_path / "set", "--size", "50") == 1
    assert "expected a multiple of 16" in capsys.readouterr().err
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(2**30, 2**30, 1000))
    assert _make(tmp_path / "set") == 1
    assert "are free there: make room" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_default_styles_are_training_styles() -> None:
    assert len(RegionScenesConfig().styles) == 4


def test_large_photos_add_photographed_objects_and_test_photos(sources, objects, tmp_path: Path, monkeypatch) -> None:
    large = [Photo(f"large-{number}", np.full((200, 200, 3), 90, dtype=np.uint8)) for number in range(4)]
    monkeypatch.setattr(data, "load_large_photos", lambda: large[:2])
    monkeypatch.setattr(data, "load_test_photos", lambda: large[2:])
    stamps = [Cutout(name, objects[0].pixels) for name in ("otter", "european bear", "bear")]
    monkeypatch.setattr(data, "load_stamps", lambda: stamps)
    arguments = ["--scenes", "12", "--test-scenes", "2", "--size", "64", "--output", str(tmp_path / "set")]
    assert main(["data", "objects", *arguments]) == 0
    named = {region.object for row in read_manifest(tmp_path / "set", "train") for region in row.regions}
    # Stamps are for training alone, and none of them is a kind of a test object.
    assert "otter" in named
    assert named <= {"otter", "ball", "coin"}
    tested = {region.object for row in read_manifest(tmp_path / "set", "test") for region in row.regions}
    assert tested <= set(TEST_OBJECTS[:2])
    corners = [np.asarray(Image.open(row.original))[0, 0].tolist() for row in read_manifest(tmp_path / "set", "test")]
    assert [90, 90, 90] in corners


def test_photos_that_would_be_enlarged_are_left_out(sources, tmp_path: Path, capsys) -> None:
    assert _make(tmp_path / "set", "--size", "208") == 1
    assert "the train split has 0 photos of 208 x 208 pixels or more, expected 1" in capsys.readouterr().err
