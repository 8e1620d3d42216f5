"""Region metrics on images and masks with known answers."""

import numpy as np
import pytest
from styleroute.evaluation.metrics import (
    background_mse,
    background_pixels,
    background_ssim,
    cell_coverage,
    map_iou,
    object_box,
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


def test_a_mask_covers_the_cells_of_its_object(mask: np.ndarray) -> None:
    expected = np.zeros(CELLS)
    expected[OBJECT] = 1
    np.testing.assert_allclose(cell_coverage(mask, CELLS), expected, atol=1e-6)


def test_a_thin_object_covers_a_part_of_its_cells() -> None:
    mask = np.zeros((256, 256), np.float32)
    mask[100, 64:128] = 1
    assert cell_coverage(mask, CELLS).max() == pytest.approx(1 / 16)


def test_a_map_on_the_covered_cells_has_the_best_scores(mask: np.ndarray) -> None:
    coverage = cell_coverage(mask, CELLS)
    scores = [metric(coverage / 16, coverage) for metric in (map_iou, pointing, share_inside)]
    assert scores == [1, 1, pytest.approx(1)]


def test_only_changes_of_the_background_count(mask: np.ndarray) -> None:
    photo = np.random.default_rng(0).integers(0, 255, (256, 256, 3), dtype=np.uint8)
    result, background = photo.copy(), background_pixels(mask)
    result[64:128, 64:128] = 0
    assert background_mse(photo, result, background) == 0
    assert background_ssim(photo, result, background) == pytest.approx(1)
    moved = np.full_like(photo, 100)
    assert background_mse(moved, moved + 51, background) == pytest.approx(0.04)
    assert background_ssim(photo, photo[::-1], background) < 0.2


def test_without_background_the_scores_are_perfect() -> None:
    background, image = background_pixels(np.ones((16, 16))), np.zeros((16, 16, 3), np.uint8)
    assert (background_mse(image, image, background), background_ssim(image, image, background)) == (0, 1)


def test_a_seam_is_an_added_edge(mask: np.ndarray) -> None:
    grey = np.full((256, 256, 3), 100, np.uint8)
    hard, soft = grey.copy(), grey.copy()
    hard[64:128, 64:128] = 200
    rows, columns = np.mgrid[:256, :256]
    away = np.maximum(abs(rows - 95.5), abs(columns - 95.5))
    soft[...] = (100 + 100 * (1 - (away - 16) / 32).clip(0, 1))[..., None].round()
    assert seam(grey, grey, mask) == 0
    assert seam(grey, hard, mask) > 4 * seam(grey, soft, mask) > 0
    # An edge of the photo is not a seam, whether it stays or goes.
    assert seam(hard, hard, mask) == 0
    assert seam(hard, grey, mask) == 0


def test_the_box_is_the_smallest_square_around_the_object() -> None:
    mask = np.zeros((256, 256))
    mask[10:20, 30:50] = 1
    assert object_box(mask) == (slice(5, 25), slice(30, 50))
    mask[:] = 0
    mask[2:4, 200:256] = 1  # at a corner the square moves inside the image
    assert object_box(mask) == (slice(0, 56), slice(200, 256))
