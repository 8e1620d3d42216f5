"""The user's own images and prompts: what is read, and what is refused before any work."""

import json
from pathlib import Path

import pytest
from PIL import Image
from styleroute.errors import DataError, TrainingError
from styleroute.training.adapters.own_samples import OwnSample, fit_own_samples, read_own_samples
from styleroute.training.adapters.validation import IMAGES, spread


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, size in (("cat.png", (90, 60)), ("oil.png", (30, 50))):
        Image.new("RGB", size, "red").save(tmp_path / name)
    return tmp_path


def _write(folder: Path, *rows: dict) -> Path:
    path = folder / "samples.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


ROW = {"image": "cat.png", "style": "oil.png", "prompt": "a cat"}


def test_paths_are_relative_to_the_file_and_a_style_is_read_where_it_is_needed(folder: Path) -> None:
    path = _write(folder, ROW)
    assert read_own_samples(path, with_style=True) == [OwnSample(folder / "cat.png", folder / "oil.png", "a cat")]
    assert read_own_samples(path, with_style=False) == [OwnSample(folder / "cat.png", None, "a cat")]
    assert read_own_samples(None, with_style=True) == []
    assert len(read_own_samples(_write(folder, *[ROW] * 20), with_style=True)) == IMAGES


def test_images_are_cut_to_the_training_size(folder: Path) -> None:
    [fitted] = fit_own_samples(read_own_samples(_write(folder, ROW), True), (48, 32), folder / "cache" / "own")
    assert fitted.prompt == "a cat"
    for path in (fitted.image, fitted.style):
        assert path.parent == folder / "cache" / "own"
        assert Image.open(path).size == (48, 32)


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({"image": "cat.png", "prompt": "a cat"}, r"line 1, is no sample \(KeyError\('style'\)\): give lines such as"),
        ({**ROW, "image": "dog.png"}, r"line 1, names the image .*dog\.png, which is missing or broken"),
        ({**ROW, "style": 3}, "line 1, is no sample"),
    ],
)
def test_a_line_that_is_no_sample_is_refused(folder: Path, row: dict, sentence: str) -> None:
    with pytest.raises(TrainingError, match=sentence):
        read_own_samples(_write(folder, row), with_style=True)


def test_an_empty_or_missing_file_is_refused(folder: Path) -> None:
    with pytest.raises(TrainingError, match="has no sample"):
        read_own_samples(_write(folder), with_style=True)
    with pytest.raises(DataError, match="cannot be read"):
        read_own_samples(folder / "none.jsonl", with_style=True)


def test_held_out_examples_are_spread_over_the_split() -> None:
    assert spread(3, 32) == [0, 1, 2]
    assert spread(100, 4) == [0, 25, 50, 75]
    assert spread(0, 4) == []
