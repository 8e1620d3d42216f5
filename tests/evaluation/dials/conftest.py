"""Photos and a teacher without downloads."""

import numpy as np
import pytest
from styleroute.dataset.photos import Photo
from styleroute.evaluation.dials import trials


@pytest.fixture(autouse=True)
def local_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """Photos of random squares; each style tints them."""

    def load(split: str) -> list[Photo]:
        assert split == "test"
        small = (np.random.default_rng(number).integers(0, 255, (16, 16, 3), dtype=np.uint8) for number in range(4))
        pixels = (np.kron(image, np.ones((16, 16, 1), np.uint8)) for image in small)
        return [Photo(f"photo{number}", image) for number, image in enumerate(pixels)]

    monkeypatch.setattr(trials, "load_photos", load)
    monkeypatch.setattr(trials, "stylise", lambda image, style: (image // 2 + 5 * style).astype(np.uint8))
