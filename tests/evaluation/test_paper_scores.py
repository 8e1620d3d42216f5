"""All metrics of both papers in one call; a missing model leaves out its metrics and nothing else."""

from pathlib import Path

import numpy as np
import pytest
import torch
from styleroute.errors import DataError
from styleroute.evaluation.metric_models import MetricModels
from styleroute.evaluation.metrics import background_mse, background_pixels, clip_similarity, region_style_match
from styleroute.evaluation.paper_scores import (
    REGION_ROUTE_COLUMNS,
    STYLE_EXPERT_COLUMNS,
    StyledImages,
    StyledRegions,
    region_route_scores,
    style_expert_scores,
)

from .scripted_vlm import ScriptedVlm


class Models(MetricModels):
    """Metric models in which some are given instead of loaded."""

    def __init__(self, given: dict, names: dict, folder: Path) -> None:
        super().__init__(names, folder, device="cpu")
        self._loaded.update(given)


@pytest.fixture
def models(clip_folder: Path, csd_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Models:
    """CLIP, CSD and a scripted vision-language model; DINO, LPIPS, DreamSim and the aesthetic head are missing."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "torch_hub"))
    names = {"clip": clip_folder, "csd": csd_folder}
    return Models({"vlm": ScriptedVlm(lambda images, question: 0.25)}, names, tmp_path)


def test_style_experts_metrics_run_where_their_model_is(models: Models, metric_images) -> None:
    images = StyledImages(metric_images, metric_images[::-1], metric_images)
    scores = style_expert_scores(images, models)
    assert scores.values.keys() == {"clip", "csd", "semantic"}
    assert scores.problems.keys() == {"dino", "aesthetic", "dreamsim"}
    assert "The weights of DINO (0.35 GB) are missing" in scores.problems["dino"]
    np.testing.assert_allclose(scores.values["csd"], 1, atol=1e-5)
    expected = clip_similarity(metric_images, metric_images[::-1], models.get("clip"))
    np.testing.assert_allclose(scores.values["clip"], expected)
    np.testing.assert_allclose(scores.values["semantic"], 0.25 * 0.75)
    columns = {column.key for column in STYLE_EXPERT_COLUMNS}
    assert scores.values.keys() | scores.problems.keys() == columns


def test_region_routes_metrics_run_where_their_model_is(models: Models, metric_images) -> None:
    photo, mask = metric_images[0], np.zeros((64, 64), np.float32)
    mask[8:24, 8:24] = 1
    result = photo[::-1].copy()
    regions = StyledRegions([photo, result], [photo, photo], [mask, mask], ["dog", "dog"], ["pixel art", "line art"])
    scores = region_route_scores(regions, models)
    assert scores.problems.keys() == {"lpips"}
    assert scores.values.keys() == {column.key for column in REGION_ROUTE_COLUMNS} - {"background_lpips"}
    background = background_pixels(mask, margin=0)
    np.testing.assert_allclose(scores.values["background_mse"], [0, background_mse(photo, result, background)])
    expected = region_style_match([photo, result], [mask, mask], ["pixel art", "line art"], models.get("clip"))
    np.testing.assert_allclose(scores.values["rsm"], expected)
    np.testing.assert_allclose(scores.values["object_in_opposite"], 0.25)


def test_images_that_do_not_fit_together_are_refused(models: Models, metric_images) -> None:
    with pytest.raises(DataError, match="one entry for each image"):
        style_expert_scores(StyledImages(metric_images, metric_images[:2], metric_images), models)
