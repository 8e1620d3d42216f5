"""The aesthetic score with a head that prefers one image by construction."""

from pathlib import Path

import numpy as np
import pytest
import torch
from styleroute.evaluation.metric_models import AestheticModel, ClipModel
from styleroute.evaluation.metric_models.aesthetic import aesthetic_head
from styleroute.evaluation.metrics import aesthetic_score


@pytest.fixture
def prefers_first(clip_folder: Path, metric_images) -> AestheticModel:
    """A head whose score is ten times the cosine with the first image's vector."""
    clip = ClipModel.load(clip_folder, device="cpu")
    state = {"layers.0.weight": 10 * clip.image_vectors(metric_images[:1]), "layers.0.bias": torch.zeros(1)}
    for number in (2, 4, 6, 7):
        state |= {f"layers.{number}.weight": torch.ones(1, 1), f"layers.{number}.bias": torch.zeros(1)}
    return AestheticModel(clip, aesthetic_head(state, Path("head.pth"))[0])


def test_the_preferred_image_scores_best_and_less_when_degraded(prefers_first, metric_images) -> None:
    scores = aesthetic_score(metric_images, prefers_first)
    assert scores[0] == pytest.approx(10, abs=1e-3)
    assert max(scores[1:]) < 9.5
    grey = (metric_images[0] * 0.3 + 90).astype(np.uint8)
    assert aesthetic_score([grey], prefers_first)[0] < 10


def test_a_batch_gives_the_scores_of_single_images_also_with_autocast(prefers_first, metric_images) -> None:
    together = aesthetic_score(metric_images, prefers_first)
    np.testing.assert_allclose(
        together, [aesthetic_score([image], prefers_first)[0] for image in metric_images], atol=1e-4
    )
    with torch.autocast("cpu", torch.bfloat16):
        np.testing.assert_allclose(aesthetic_score(metric_images, prefers_first), together, atol=0.3)
    assert aesthetic_score([], prefers_first).shape == (0,)
