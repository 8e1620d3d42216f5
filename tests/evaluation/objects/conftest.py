"""Photos, objects and a teacher without downloads; mean colours as style vectors."""

import numpy as np
import pytest
from styleroute.dataset.objects import Cutout
from styleroute.dataset.photos import Photo
from styleroute.dataset.teacher import TEST_STYLES
from styleroute.evaluation.objects import scores, trials
from styleroute.evaluation.objects.config import ObjectEvaluationConfig
from styleroute.evaluation.objects.trials import ObjectTrial, make_trials

COLOURS = {style: 40 * number + 20 for number, style in enumerate(TEST_STYLES)}
"""The teacher paints everything in one grey per style, with a red tint of the same height."""


def tint(image: np.ndarray, style: int) -> np.ndarray:
    """The image in the colour of a style, with a little of its own content."""
    colour = np.array([COLOURS[style], 255 - COLOURS[style], 128])
    return (image * 0.05 + colour * 0.95).round().astype(np.uint8)


def mean_colour(image: np.ndarray) -> np.ndarray:
    """A stand-in for the style-vector network: [H, W, 3] uint8 -> [3], centred, so that cosines tell colours apart."""
    return image.reshape(-1, 3).mean(0) / 255 - 0.5


@pytest.fixture
def network():
    return mean_colour


@pytest.fixture(autouse=True)
def local_images(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(split: str) -> list[Photo]:
        assert split == "test"
        small = (np.random.default_rng(number).integers(90, 160, (16, 16, 3), dtype=np.uint8) for number in range(3))
        return [
            Photo(f"photo{number}", np.kron(image, np.ones((16, 16, 1), np.uint8)))
            for number, image in enumerate(small)
        ]

    discs = {"teapot": (200, 30, 30), "bear": (30, 30, 200)}
    monkeypatch.setattr(trials, "load_photos", load)
    monkeypatch.setattr(trials, "load_objects", lambda: [disc(name, colour) for name, colour in discs.items()])
    for module in (trials, scores):
        monkeypatch.setattr(module, "stylise", tint)


def disc(name: str, colour: tuple[int, int, int]) -> Cutout:
    y, x = np.mgrid[:64, :64] - 31.5
    alpha = (np.hypot(x, y) < 31).astype(np.uint8) * 255
    return Cutout(name, np.dstack([np.full((64, 64, 3), colour, np.uint8), alpha]))


@pytest.fixture
def config(tmp_path) -> ObjectEvaluationConfig:
    return ObjectEvaluationConfig(scenes=1, steps=2, output=tmp_path / "out")


@pytest.fixture
def two(config) -> ObjectTrial:
    """A scene with two objects."""
    return make_trials(config)[1]
