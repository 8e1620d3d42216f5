"""Maps and images whose figures are known: a perfect map, an even one, a point, a map of something else."""

import numpy as np
import pytest
from styleroute.evaluation.regions.metrics import (
    background_mse,
    background_of,
    background_ssim,
    box,
    coverage,
    covered,
    iou,
    pointing,
    seam,
    share_inside,
)

CELLS = (16, 16)
OBJECT = (slice(4, 8), slice(4, 8))
"""Cells of the object: 16 of 256."""


@pytest.fixture
def mask() -> np.ndarray:
    mask = np.zeros((256, 256), np.float32)
    mask[64:128, 64:128] = 1
    return mask


@pytest.fixture
def share(mask: np.ndarray) -> np.ndarray:
    return coverage(mask, CELLS)


def cells(inside: float, outside: float) -> np.ndarray:
    values = np.full(CELLS, outside, dtype=float)
    values[OBJECT] = inside
    return values


def test_a_mask_on_cells(share: np.ndarray) -> None:
    np.testing.assert_allclose(share, cells(1, 0), atol=1e-6)


def test_a_thin_object_still_has_cells() -> None:
    mask = np.zeros((256, 256), np.float32)
    mask[100, 64:128] = 1
    share = coverage(mask, CELLS)
    assert share.max() == pytest.approx(1 / 16)
    assert covered(share).sum() == 4


def test_a_perfect_map(share: np.ndarray) -> None:
    attention = cells(1 / 16, 0)
    assert (iou(attention, share), pointing(attention, share)) == (1, 1)
    assert share_inside(attention, share) == pytest.approx(1)


def test_in_place_but_over_a_floor(share: np.ndarray) -> None:
    attention = cells(3e-3, 1e-3)
    assert iou(attention, share) == 1
    assert share_inside(attention, share) == pytest.approx(16 * 3 / (16 * 3 + 240))


def test_an_even_map_is_chance(share: np.ndarray) -> None:
    attention = np.full(CELLS, 1e-3)
    assert iou(attention, share) == 0
    assert pointing(attention, share) == pytest.approx(16 / 256)
    assert share_inside(attention, share) == pytest.approx(16 / 256)


def test_a_point_is_in_place_but_not_complete(share: np.ndarray) -> None:
    attention = np.zeros(CELLS)
    attention[5, 5] = 1
    assert iou(attention, share) == pytest.approx(1 / 16)
    assert (pointing(attention, share), share_inside(attention, share)) == (1, 1)


def test_a_map_of_something_else(share: np.ndarray) -> None:
    attention = np.roll(cells(1, 0), 8, axis=1)
    assert (iou(attention, share), pointing(attention, share), share_inside(attention, share)) == (0, 0, 0)


def test_a_shifted_map_overlaps_by_its_cells(share: np.ndarray) -> None:
    assert iou(np.roll(cells(1, 0), 2, axis=1), share) == pytest.approx(8 / 24)


def test_only_the_background_counts(mask: np.ndarray) -> None:
    photo = np.random.default_rng(0).integers(0, 255, (256, 256, 3), dtype=np.uint8)
    result, background = photo.copy(), background_of(mask)
    result[64:128, 64:128] = 0
    assert background_mse(photo, result, background) == 0
    assert background_ssim(photo, result, background) == pytest.approx(1)
    moved = np.full_like(photo, 100)
    assert background_mse(moved, moved + 51, background) == pytest.approx(0.04)
    assert background_ssim(photo, photo[::-1], background) < 0.2


def test_an_object_that_fills_the_image_leaves_no_background() -> None:
    background, image = background_of(np.ones((16, 16))), np.zeros((16, 16, 3), np.uint8)
    assert (background_mse(image, image, background), background_ssim(image, image, background)) == (0, 1)


def test_a_seam_is_an_edge_that_was_not_there(mask: np.ndarray) -> None:
    grey = np.full((256, 256, 3), 100, np.uint8)
    hard, soft = grey.copy(), grey.copy()
    hard[64:128, 64:128] = 200
    rows, columns = np.mgrid[:256, :256]
    away = np.maximum(abs(rows - 95.5), abs(columns - 95.5))
    soft[...] = (100 + 100 * (1 - (away - 16) / 32).clip(0, 1))[..., None].round()
    assert seam(grey, grey, mask) == 0
    assert seam(grey, hard, mask) > 4 * seam(grey, soft, mask) > 0
    # The photo's own edge is none of the result's, stronger or softer.
    assert seam(hard, hard, mask) == 0
    assert seam(hard, grey, mask) == 0


def test_the_box_of_a_mask() -> None:
    mask = np.zeros((256, 256))
    mask[10:20, 30:50] = 1
    assert box(mask) == (slice(5, 25), slice(30, 50))
    mask[:] = 0
    mask[2:4, 200:256] = 1  # at a corner the square is moved, not cut
    assert box(mask) == (slice(0, 56), slice(200, 256))
