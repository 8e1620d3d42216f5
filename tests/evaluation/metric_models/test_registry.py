"""Which models are on this machine: the missing ones have a reason, the others load and work."""

import shutil
from pathlib import Path

import pytest
import torch
from styleroute.cli import main
from styleroute.errors import DataError
from styleroute.evaluation.metric_models import ClipModel, CsdModel, MetricModels
from styleroute.evaluation.metric_models.registry import WEIGHTS
from styleroute.evaluation.metric_models.table import METRICS

from .test_aesthetic import random_head


@pytest.fixture
def folder(tmp_path: Path, csd_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of metric models with CSD alone, on a machine without caches."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "torch_hub"))
    shutil.copytree(csd_folder, tmp_path / "models" / "CSD-ViT-L")
    return tmp_path / "models"


def test_every_model_is_listed_with_the_reason_if_it_is_missing(folder: Path) -> None:
    found = {status.key: status for status in MetricModels(folder=folder).status()}
    assert found.keys() == WEIGHTS.keys()
    assert [key for key, status in found.items() if status.is_available] == ["csd"]
    for key in ("clip", "dino", "aesthetic", "lpips", "vlm"):
        assert found[key].problem is not None
        assert found[key].weights.size in found[key].problem
        assert found[key].weights.page in found[key].problem
        assert str(folder) in found[key].problem
    assert "dreamsim" in (found["dreamsim"].problem or "")


def test_the_command_lists_the_models_and_where_to_get_them(folder: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["evaluate", "metrics", "--folder", str(folder)]) == 0
    shown = capsys.readouterr().out
    for key, weights in WEIGHTS.items():
        assert key in shown
        assert (weights.page in shown) == (key != "csd")
    assert METRICS.keys() == WEIGHTS.keys()


def test_a_missing_model_does_not_stop_the_others(folder: Path) -> None:
    models = MetricModels(folder=folder, device="cpu")
    with pytest.raises(DataError, match="The weights of CLIP"):
        models.get("clip")
    assert models.problem("csd", "clip") == models.problem("clip")
    assert isinstance(models.get("csd"), CsdModel)
    assert models.problem("csd") is None


def test_a_model_is_loaded_once_until_it_is_released(folder: Path) -> None:
    models = MetricModels(folder=folder, device="cpu")
    first = models.get("csd")
    assert models.get("csd") is first
    models.release("csd")
    second = models.get("csd")
    assert second is not first
    models.release()
    assert models.get("csd") is not second


def test_a_damaged_file_shows_when_it_is_loaded_and_stays_known(folder: Path) -> None:
    (folder / "CSD-ViT-L" / "model.safetensors").write_bytes(b"damaged")
    models = MetricModels(folder=folder)
    assert models.problem("csd") is None
    with pytest.raises(DataError, match="cannot be read as weights") as error:
        models.get("csd")
    assert models.problem("csd") == str(error.value)


def test_models_may_have_other_names_and_the_head_shares_the_clip(folder: Path, clip_folder: Path) -> None:
    torch.save(random_head(), folder / "head.pth")
    models = MetricModels({"clip": clip_folder, "aesthetic": folder / "head.pth"}, folder, device="cpu")
    aesthetic = models.get("aesthetic")
    assert isinstance(models.get("clip"), ClipModel)
    assert aesthetic._clip is models.get("clip")
    alone = MetricModels({"aesthetic": folder / "head.pth"}, folder)
    assert "CLIP" in (alone.problem("aesthetic") or "")


def test_an_unknown_model_is_refused(folder: Path) -> None:
    with pytest.raises(DataError, match=r"the metric model 'fid', expected clip, dino"):
        MetricModels({"fid": "x"}, folder)
    with pytest.raises(DataError, match="the metric model 'fid'"):
        MetricModels(folder=folder).get("fid")
