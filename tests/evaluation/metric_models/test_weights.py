"""Weights are found by path, in the folder of metric models, or in caches; otherwise one sentence says what to do."""

from pathlib import Path

import pytest
import torch
from styleroute.errors import DataError
from styleroute.evaluation.metric_models.catalogue import AESTHETIC, CLIP, CSD, DINO, LPIPS, VLM
from styleroute.evaluation.metric_models.weights import find_weights


@pytest.fixture(autouse=True)
def no_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Caches of this machine that hold nothing."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "torch_hub"))


@pytest.mark.parametrize("weights", [CLIP, DINO, CSD, VLM, AESTHETIC, *LPIPS.values()], ids=lambda one: one.name)
def test_missing_weights_are_one_sentence_with_size_page_and_place(weights, tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        find_weights(weights, tmp_path)
    message = str(error.value)
    place = tmp_path / weights.name.split("/")[-1]
    assert message.startswith(f"The weights of {weights.title} ({weights.size}) are missing: download {weights.name}")
    assert f"from {weights.page} to {place}" in message
    assert message.count(". ") == 0
    assert weights.page.startswith("https://")


def test_weights_lie_in_the_folder_under_the_last_part_of_their_name(tmp_path: Path) -> None:
    (tmp_path / "clip-vit-large-patch14").mkdir()
    assert find_weights(CLIP, tmp_path) == tmp_path / "clip-vit-large-patch14"
    (tmp_path / LPIPS["alex"].name).touch()
    assert find_weights(LPIPS["alex"], tmp_path) == tmp_path / LPIPS["alex"].name


def test_weights_may_have_another_name_or_a_path(tmp_path: Path) -> None:
    own = tmp_path / "my" / "clip"
    own.mkdir(parents=True)
    assert find_weights(CLIP.named(own), tmp_path) == own
    assert CLIP.named(None) is CLIP
    with pytest.raises(DataError, match=r"CLIP are missing: download laion/other from https://.*/laion/other to "):
        find_weights(CLIP.named("laion/other"), tmp_path)
    with pytest.raises(DataError, match=r"there is no /nowhere/clip, so give an existing path"):
        find_weights(CLIP.named("/nowhere/clip"), tmp_path)


def test_torchs_cache_of_downloads_is_used(tmp_path: Path) -> None:
    cached = tmp_path / "torch_hub" / "checkpoints" / LPIPS["alex"].name
    cached.parent.mkdir(parents=True)
    cached.touch()
    assert find_weights(LPIPS["alex"], tmp_path / "models") == cached


def test_hugging_faces_cache_is_used(tmp_path: Path) -> None:
    repo = tmp_path / "hub" / "models--openai--clip-vit-large-patch14"
    snapshot = repo / "snapshots" / "0123"
    snapshot.mkdir(parents=True)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text("0123")
    (snapshot / "config.json").write_text("{}")
    assert find_weights(CLIP, tmp_path / "models") == snapshot
