"""The run as a whole: the names of its stages, what a stage needs, and when the weight files are written."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from styleroute.errors import DataError, TrainingError
from styleroute.paths import TINY_MODELS
from styleroute.training.tiny import run as module
from styleroute.training.tiny import train_autoencoder
from styleroute.training.tiny.autoencoder import Autoencoder
from styleroute.training.tiny.preview_factors import PreviewFactors
from styleroute.training.tiny.run import TinyConfig, TinyTraining
from styleroute.training.tiny.stage import StageTrainer
from styleroute.training.tiny.train_autoencoder import AutoencoderConfig
from styleroute.training.tiny.train_kontext import KontextConfig
from styleroute.training.tiny.train_vision import VisionConfig
from torch.optim import SGD


@pytest.mark.parametrize("stage", ["decoder", "kontext", "vision"])
def test_a_stage_that_was_left_out_is_asked_for(tmp_path: Path, stage: str) -> None:
    config = TinyConfig(stages=(stage,), run=tmp_path / "run", models=tmp_path)
    with pytest.raises(TrainingError, match=r"has no autoencoder\.pt: run the stage 'autoencoder' first"):
        TinyTraining(config).run()
    assert not config.run.exists()


def test_an_unknown_stage_is_refused() -> None:
    with pytest.raises(TrainingError, match="there is no stage 'decodr': choose from autoencoder, vision, "):
        TinyConfig(stages=("autoencoder", "decodr"))


@pytest.mark.parametrize(
    ("kind", "values", "sentence"),
    [
        (TinyConfig, {"scenes": 0}, "scenes is 0, expected 1 or more"),
        (TinyConfig, {"object_share": 1.5}, "object_share is 1.5, expected a share: give 0 to 1"),
        (TinyConfig, {"minutes": 0}, "minutes is 0, expected a number above 0"),
        (KontextConfig, {"batch": 0}, "batch is 0, expected 1 or more"),
        (KontextConfig, {"whole_every": 0}, "whole_every is 0, expected 1 or more"),
        (KontextConfig, {"unreferenced_every": 0}, "unreferenced_every is 0, expected 1 or more"),
        (KontextConfig, {"early_share": -0.1}, "early_share is -0.1, expected a share"),
        (KontextConfig, {"kinds": (0.0,) * 4}, "expected shares of 0 or more, not all 0"),
        (KontextConfig, {"kinds": (-0.5, 0.5, 0.5, 0.5)}, "expected shares of 0 or more, not all 0"),
        (AutoencoderConfig, {"crop": 60}, "crop is 60 pixels, expected a multiple of 8"),
        (AutoencoderConfig, {"swapped": 2.0}, "swapped is 2.0, expected a share"),
        (VisionConfig, {"batch": 0}, "batch is 0, expected 1 or more"),
    ],
)
def test_impossible_numbers_are_refused(kind: type, values: dict, sentence: str) -> None:
    with pytest.raises(TrainingError, match=sentence):
        kind(**values)


@pytest.fixture
def two_stages(tmp_path: Path, photo, monkeypatch: pytest.MonkeyPatch) -> TinyConfig:
    """The stages of the autoencoder, two steps each, with a folder of weights that a user has already."""
    monkeypatch.setattr(module, "load_photos", lambda split: [photo])
    monkeypatch.setattr(module, "load_large_test_photos", lambda size: [photo, photo])
    monkeypatch.setattr(module, "autoencoder_psnr", lambda model, photos, size: 20.0)
    monkeypatch.setattr(module, "autoencoder_images", lambda photos: [photo.pixels for photo in photos])
    monkeypatch.setattr(train_autoencoder, "build_optimizer", lambda model, *rates: SGD(model.parameters(), lr=1e-3))
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "vae.safetensors").write_bytes(b"earlier weights")
    sizes = {"steps": 2, "batch": 1, "crop": 16}
    return TinyConfig(
        stages=("autoencoder", "decoder"),
        run=tmp_path / "run",
        models=tmp_path / "weights",
        large_photos=False,
        autoencoder=AutoencoderConfig(**sizes),
        decoder=AutoencoderConfig(**sizes, decoder_only=True),
    )


def _stop_after(monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    """The time limit comes after so many steps of all stages together."""
    count = iter(range(100))
    monkeypatch.setattr(StageTrainer, "_ends", lambda trainer: next(count) >= steps)


@pytest.mark.parametrize(("steps", "stage"), [(1, "autoencoder"), (3, "decoder")])
def test_unfinished_stages_leave_every_weight_file(
    two_stages: TinyConfig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, steps: int, stage: str
) -> None:
    file = two_stages.models / "vae.safetensors"
    with monkeypatch.context() as patch:
        _stop_after(patch, steps)
        TinyTraining(two_stages).run()
    assert file.read_bytes() == b"earlier weights"
    assert f"Stopped {stage} after 1 of 2 steps; run the same command again to continue" in capsys.readouterr().out
    TinyTraining(two_stages).run()
    assert file.read_bytes() != b"earlier weights"
    assert "decoder: 20.00 dB on 2 test photos at 384 x 640" in capsys.readouterr().out


def test_the_autoencoders_file_holds_the_preview_of_its_encoder(two_stages: TinyConfig, photo, monkeypatch) -> None:
    fitted = []

    def fit(model: Autoencoder, images: list) -> PreviewFactors:
        fitted.append(images)
        return PreviewFactors(torch.zeros(16, 3), torch.tensor([0.25, 0.5, 0.75]))

    monkeypatch.setattr(module, "fit_preview", fit)
    TinyTraining(two_stages).run()
    with safe_open(two_stages.models / "vae.safetensors", "pt") as file:
        entry = json.loads(file.metadata()["latent_preview"])
    assert entry == {"latent_rgb_factors": [[0.0] * 3] * 16, "latent_rgb_factors_bias": [0.25, 0.5, 0.75]}
    assert all(images[0] is photo.pixels for images in fitted)
    assert len(fitted) == 2  # both stages write the file


def test_a_missing_package_stops_the_stage_before_its_training(two_stages: TinyConfig, monkeypatch) -> None:
    def refuse(size: tuple[int, int]) -> None:
        raise DataError("npm was not found")

    monkeypatch.setattr(module, "load_large_test_photos", refuse)
    monkeypatch.setattr(module, "train_autoencoder", lambda *inputs: pytest.fail("trained without the test photos"))
    with pytest.raises(DataError, match="npm was not found"):
        TinyTraining(two_stages).run()


def test_without_a_folder_the_shipped_weights_stay(two_stages: TinyConfig) -> None:
    config = TinyConfig(stages=two_stages.stages, run=two_stages.run)
    assert TINY_MODELS not in (config.weights_folder, *config.weights_folder.parents)


def test_a_later_stage_needs_a_finished_autoencoder(two_stages: TinyConfig) -> None:
    folder, state = two_stages.run, {"step": 1, "steps": 2, "model": Autoencoder().state_dict()}
    folder.mkdir()
    torch.save(state, folder / "autoencoder.pt")
    with pytest.raises(TrainingError, match=r"holds autoencoder after 1 of 2 steps: finish the stage 'autoencoder'"):
        TinyTraining(TinyConfig(stages=("decoder",), run=folder)).run()
