"""Arrays of images: an unreadable image, or one with non-finite values, is reported and has no row."""

from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image
from styleroute.storage.image_reader import image_size
from styleroute.storage.image_rows import image_rows, report_broken

SHAPES = {"mean": ((3,), "float16"), "size": ((2,), "float32")}


def _compute(images: list[Image.Image]) -> dict[str, np.ndarray]:
    means = [np.asarray(image, dtype=np.float32).mean((0, 1)) for image in images]
    return {"mean": np.stack(means), "size": np.array([image.size for image in images])}


def _rows(folder: Path, images: list[Path], compute=_compute):
    return image_rows(folder, {}, images, SHAPES, compute, "means", chunk=2)


@pytest.fixture
def images(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{number}.png" for number in range(5)]
    for number, path in enumerate(paths):
        Image.new("RGB", (4, 6), (number, 10, 20)).save(path)
    return paths


def test_rows_by_path_in_any_order(tmp_path: Path, images: list[Path]) -> None:
    found = _rows(tmp_path / "cache", images)
    assert found.broken == {}
    assert found.of([images[3], images[0]], "mean").tolist() == [[3, 10, 20], [0, 10, 20]]


def test_faults_are_named_kept_and_printed(tmp_path: Path, images: list[Path], capsys: pytest.CaptureFixture) -> None:
    images[0].unlink()
    images[1].write_text("This is no image.")

    def compute(whole: list[Image.Image]) -> dict[str, np.ndarray]:
        arrays = _compute(whole)
        arrays["mean"][arrays["mean"][:, 0] == 4] = 1e6  # beyond float16
        return arrays

    for _ in range(2):  # computed, and read again
        found = _rows(tmp_path / "cache", images, compute)
        assert list(found.rows) == images[2:4]
        assert found.broken == {
            images[0]: "the file is missing",
            images[1]: "the file is not a whole image",
            images[4]: "its computed values are NaN or beyond float16",
        }
    report_broken(found, "images")
    shown = capsys.readouterr().out
    assert "Left out 3 of 5 images" in shown
    assert all(path.name in shown for path in found.broken)


def test_rotated_images_are_read_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    turned = tmp_path / "turned.jpg"
    Image.new("RGB", (4, 6)).save(turned, exif=exif)
    assert image_size(turned) == (6, 4)
    assert _rows(tmp_path / "cache", [turned]).of([turned], "size").tolist() == [[6, 4]]
    assert image_size(tmp_path / "missing.png") is None
