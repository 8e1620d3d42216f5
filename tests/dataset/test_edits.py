"""Edits: their formulas, number by number, and nothing beyond the mask."""

import random

import numpy as np
import pytest
from scipy.special import ndtr
from styleroute.dataset.edits import EDITS, apply_edit, instruction
from styleroute.dataset.scenes import make_scene

LUMINANCE = 0.299 * 0.25 + 0.587 * 0.5 + 0.114 * 0.7
EXACT = {
    "black and white": (LUMINANCE, LUMINANCE, LUMINANCE),
    "brighter": (0.25**0.55, 0.5**0.55, 0.7**0.55),
    "darker": (0.6 * 0.25**1.3, 0.6 * 0.5**1.3, 0.6 * 0.7**1.3),
    "warmer": (1.25 * 0.25, 0.5, 0.65 * 0.7),
    "colder": (0.65 * 0.25, 0.5, 1.25 * 0.7),
}
"""What becomes of the colour (0.25, 0.5, 0.7)."""


@pytest.mark.parametrize("edit", EXACT)
def test_the_formula(edit: str) -> None:
    image = np.full((2, 3, 3), (0.25, 0.5, 0.7), dtype=np.float32)
    changed = apply_edit(edit, image)
    assert changed.dtype == np.float32
    np.testing.assert_allclose(changed, np.broadcast_to(EXACT[edit], (2, 3, 3)), rtol=1e-6)


def test_light_is_cut_off_at_one() -> None:
    white = np.ones((1, 1, 3), dtype=np.float32)
    assert max(apply_edit(edit, white).max() for edit in EDITS) == 1


def test_blurry_turns_an_edge_into_a_gaussian_step() -> None:
    image = np.zeros((128, 128, 3), dtype=np.float32)
    image[:, 64:] = 1
    sigma = 128 / 64
    expected = ndtr((np.arange(128) + 0.5 - 64) / sigma)
    np.testing.assert_allclose(apply_edit("blurry", image)[64, :, 0], expected, atol=0.02)


@pytest.mark.parametrize("edit", EDITS)
def test_an_objects_edit_stays_within_its_mask(photo, objects, edit: str) -> None:
    scene = make_scene(photo, objects, 1, 128, random.Random(0))
    [mask] = scene.masks.values()
    changed, whole = apply_edit(edit, scene.image, mask), apply_edit(edit, scene.image)
    assert np.array_equal(changed[mask == 0], scene.image[mask == 0])
    np.testing.assert_allclose(changed[mask == 1], whole[mask == 1], atol=1e-6)
    half = apply_edit(edit, scene.image, np.full_like(mask, 0.5))
    np.testing.assert_allclose(half, (scene.image + whole) / 2, atol=1e-6)
    assert np.abs(whole - scene.image).mean() > 0.01


def test_instructions_name_the_image_or_the_thing() -> None:
    assert instruction("darker") == "make the image darker"
    assert instruction("darker", "guitar") == "make the guitar darker"
