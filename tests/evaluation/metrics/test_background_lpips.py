"""LPIPS of the background: only changes outside the object count, and stronger changes count more."""

from pathlib import Path

import numpy as np
import pytest
import torch
from styleroute.errors import DataError
from styleroute.evaluation.metric_models import LpipsModel
from styleroute.evaluation.metrics import background_lpips, background_mse, background_pixels


@pytest.fixture(scope="module")
def lpips(lpips_file: Path) -> LpipsModel:
    return LpipsModel.load(lpips_file, device="cpu", network="squeeze")


@pytest.fixture
def background() -> np.ndarray:
    mask = np.zeros((64, 64), np.float32)
    mask[16:48, 16:48] = 1
    return background_pixels(mask, margin=0)


def noisy(image: np.ndarray, share: float, where: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(1).uniform(0, 255, image.shape)
    return np.where(where[..., None], image * (1 - share) + noise * share, image).astype(np.uint8)


def test_only_the_background_counts_and_more_noise_is_farther(lpips, background, metric_images) -> None:
    photo = metric_images[0]
    images = [photo, noisy(photo, 1.0, ~background), noisy(photo, 0.1, background), noisy(photo, 0.8, background)]
    scores = background_lpips([photo] * 4, images, [background] * 4, lpips)
    assert scores[0] == scores[1] == 0
    assert 0 < scores[2] < scores[3]
    swapped = background_lpips(images[3:], [photo], [background], lpips)
    assert swapped[0] == pytest.approx(
        float(lpips.distance_map(images[3], np.where(background[..., None], photo, images[3]))[background].mean())
    )


def test_a_batch_gives_the_scores_of_single_images_also_with_autocast(lpips, background, metric_images) -> None:
    photos = [metric_images[0], metric_images[0][::-1].copy()]
    images = [noisy(photo, 0.5, background) for photo in photos]
    together = background_lpips(photos, images, [background] * 2, lpips)
    alone = [
        background_lpips([one], [other], [background], lpips)[0] for one, other in zip(photos, images, strict=True)
    ]
    np.testing.assert_allclose(together, alone, rtol=1e-5)
    with torch.autocast("cpu", torch.bfloat16):
        np.testing.assert_allclose(background_lpips(photos, images, [background] * 2, lpips), together, rtol=0.1)


def test_without_background_the_distance_is_zero(lpips, metric_images) -> None:
    nothing = np.zeros((64, 64), bool)
    assert background_lpips(metric_images[:1], [metric_images[0][::-1].copy()], [nothing], lpips)[0] == 0


def test_images_of_other_sizes_are_refused(lpips, background, metric_images) -> None:
    with pytest.raises(DataError, match="expected equal sizes"):
        background_lpips(metric_images[:1], metric_images[1:2], [background], lpips)


def test_the_papers_background_has_no_margin() -> None:
    mask = np.zeros((8, 8), np.float32)
    mask[2:4, 2:4] = 0.2
    np.testing.assert_array_equal(background_pixels(mask, margin=0), mask == 0)
    assert background_pixels(mask, margin=1).sum() == 64 - 16
    photo = np.zeros((8, 8, 3), np.uint8)
    assert background_mse(photo, photo + 51, background_pixels(mask, margin=0)) == pytest.approx(0.04)
