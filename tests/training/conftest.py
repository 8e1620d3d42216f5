"""Stand-ins for the pictures that training fetches, so that its tests need no network."""

import numpy as np
import pytest
from styleroute.training.data.objects import Cutout
from styleroute.training.data.photos import Photo


@pytest.fixture
def photo() -> Photo:
    return Photo("noise", np.random.default_rng(0).integers(0, 255, (300, 400, 3), dtype=np.uint8))


@pytest.fixture
def objects() -> list[Cutout]:
    """A red ball and a green coin."""
    disc = np.zeros((64, 64, 4), dtype=np.uint8)
    rows, cols = np.mgrid[:64, :64]
    disc[(rows - 32) ** 2 + (cols - 32) ** 2 < 900] = (255, 0, 0, 255)
    return [Cutout("ball", disc), Cutout("coin", disc[..., [1, 0, 2, 3]])]
