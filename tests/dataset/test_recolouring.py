"""Recolouring: what the map of colours keeps, and what it changes."""

import random

import numpy as np
from skimage.color import rgb2lab
from styleroute.dataset.recolouring import Recolouring


def lab(colour: tuple[int, int, int], recolouring: Recolouring) -> np.ndarray:
    image = np.full((4, 4, 3), colour, dtype=np.uint8)
    changed = recolouring.apply(image)
    assert changed.shape == image.shape
    assert changed.dtype == np.uint8
    return rgb2lab(changed)[0, 0]


def test_the_map_that_changes_nothing_changes_nothing() -> None:
    image = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    changed = Recolouring(turn=0, chroma=1, cast=(0, 0), gamma=1).apply(image)
    np.testing.assert_allclose(changed, image, atol=1)


def test_hue_is_turned_and_lightness_stays() -> None:
    before = rgb2lab(np.uint8([[[150, 100, 100]]]))[0, 0]
    after = lab((150, 100, 100), Recolouring(turn=90, chroma=1, cast=(0, 0), gamma=1))
    np.testing.assert_allclose(after, [before[0], -before[2], before[1]], atol=1)


def test_cast_and_gamma() -> None:
    after = lab((119, 119, 119), Recolouring(turn=0, chroma=1, cast=(10, -5), gamma=2))
    np.testing.assert_allclose(after, [25, 10, -5], atol=1)


def test_drawn_ones_differ_and_follow_from_the_seed() -> None:
    first, again = (Recolouring.draw(random.Random(3)) for _ in range(2))
    assert first == again
    assert first != Recolouring.draw(random.Random(4))
