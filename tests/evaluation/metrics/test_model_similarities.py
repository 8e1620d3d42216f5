"""CLIP, DINO and CSD similarity: the properties that all three share, on small random models of the real classes."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from styleroute.errors import DataError
from styleroute.evaluation.metric_models import ClipModel, CsdModel, DinoModel
from styleroute.evaluation.metrics import clip_similarity, csd_similarity, dino_similarity

Similarity = Callable[[list[np.ndarray], list[np.ndarray]], np.ndarray]


@pytest.fixture(scope="session", params=["clip", "csd"])
def similarity(request: pytest.FixtureRequest, clip_folder: Path, csd_folder: Path) -> Similarity:
    if request.param == "clip":
        clip = ClipModel.load(clip_folder, device="cpu")
        return lambda images, others: clip_similarity(images, others, clip)
    csd = CsdModel.load(csd_folder, device="cpu")
    return lambda images, others: csd_similarity(images, others, csd)


@pytest.fixture(scope="session")
def dino(dino_folder: Path) -> Similarity:
    model = DinoModel.load(dino_folder, device="cpu")
    return lambda images, others: dino_similarity(images, others, model)


def degraded(images: list[np.ndarray], share: float) -> list[np.ndarray]:
    """The images with a share of noise in each pixel."""
    noise = np.random.default_rng(5)
    return [(image * (1 - share) + noise.uniform(0, 255, image.shape) * share).astype(np.uint8) for image in images]


def check_order(similarity: Similarity, images: list[np.ndarray]) -> None:
    np.testing.assert_allclose(similarity(images, images), 1, atol=1e-5)
    swapped = similarity(images, images[::-1])
    assert swapped[0] < 0.95
    assert swapped[0] == pytest.approx(swapped[2], abs=1e-5)  # the same pair, the other way round
    slight, strong = (similarity(degraded(images, share), images).mean() for share in (0.1, 0.9))
    assert strong < slight < 1


def check_batch_and_autocast(similarity: Similarity, images: list[np.ndarray]) -> None:
    others = images[1:] + images[:1]
    together = similarity(images, others)
    alone = [similarity([image], [other])[0] for image, other in zip(images, others, strict=True)]
    np.testing.assert_allclose(together, alone, atol=1e-5)
    with torch.autocast("cpu", torch.bfloat16):
        np.testing.assert_allclose(similarity(images, others), together, atol=0.03)


def test_equal_images_are_nearest_and_swapped_or_noisy_ones_farther(similarity, metric_images) -> None:
    check_order(similarity, metric_images)


def test_a_batch_gives_the_values_of_single_images_also_with_autocast(similarity, metric_images) -> None:
    check_batch_and_autocast(similarity, metric_images)


def test_every_generation_of_dino_has_the_same_properties(dino, metric_images) -> None:
    check_order(dino, metric_images)
    check_batch_and_autocast(dino, metric_images)


def test_lists_of_different_lengths_and_other_arrays_are_refused(similarity, metric_images) -> None:
    with pytest.raises(DataError, match=r"lists of 2 and 3 entries, expected one entry for each image"):
        similarity(metric_images, metric_images[:2])
    with pytest.raises(DataError, match=r"an image of float64 \[8, 8, 3\], expected uint8"):
        similarity([np.zeros((8, 8, 3))], [np.zeros((8, 8, 3))])
    assert similarity([], []).shape == (0,)
