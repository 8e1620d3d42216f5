"""Every stage gives the same weights after an interruption as without one."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from pytorch_optimizer import Muon
from styleroute.training.tiny import optimizer
from styleroute.training.tiny import train_kontext as train_kontext_module
from styleroute.training.tiny.autoencoder import Autoencoder
from styleroute.training.tiny.config import TRANSFORMER
from styleroute.training.tiny.stage import Stage, StageTrainer
from styleroute.training.tiny.train_autoencoder import AutoencoderConfig, train_autoencoder
from styleroute.training.tiny.train_kontext import KontextConfig, TinyKontext, train_kontext
from styleroute.training.tiny.train_vision import VisionConfig, train_vision
from torch import Tensor

Train = Callable[[Stage], Mapping[str, Tensor]]


def _require_exact_resume(train: Train, folder: Path, monkeypatch: pytest.MonkeyPatch, steps: int = 2) -> None:
    """All steps at once, and half of them in each of two processes: the same losses, the same weights."""
    losses: dict[str, list[float]] = {}
    run_step = StageTrainer.run_step

    def noted(trainer: StageTrainer, step: int) -> None:
        run_step(trainer, step)
        losses.setdefault(trainer.stage.folder.name, []).append(trainer.losses[-1])

    monkeypatch.setattr(StageTrainer, "run_step", noted)
    # Muon's five iterations are products in bfloat16, which take most of the time on a CPU without kernels for it.
    monkeypatch.setattr(optimizer, "Muon", partial(Muon, ns_steps=1))
    torch.manual_seed(0)
    whole = {name: weight.clone() for name, weight in train(Stage("stage", folder / "whole", steps, 60)).items()}
    torch.manual_seed(0)
    with monkeypatch.context() as patch:
        patch.setattr(StageTrainer, "_ends", lambda trainer: trainer.step == steps // 2)
        train(Stage("stage", folder / "pieces", steps, 60))
    torch.manual_seed(1)
    resumed = train(Stage("stage", folder / "pieces", steps, 60))
    assert len(set(losses["whole"])) == steps
    assert losses["pieces"] == losses["whole"]
    for name, weight in whole.items():
        assert torch.equal(resumed[name], weight), name


def _images(count: int) -> list[np.ndarray]:
    return [np.random.default_rng(i).integers(0, 255, (200, 220, 3), dtype=np.uint8) for i in range(count)]


@pytest.mark.parametrize("decoder_only", [False, True])
def test_autoencoder_resumes_exactly(tmp_path: Path, decoder_only: bool, monkeypatch) -> None:
    images = _images(3)
    config = AutoencoderConfig(steps=2, batch=2, crop=32, decoder_only=decoder_only)
    _require_exact_resume(lambda stage: train_autoencoder(stage, config, images).state_dict(), tmp_path, monkeypatch)


def test_kontext_resumes_exactly(tmp_path: Path, samples, small_sizes, tokenizers, monkeypatch) -> None:
    # With and without a reference, windows and whole images.
    config = KontextConfig(steps=4, batch=4, compile=False, unreferenced_every=2)
    # One block of each kind: the real model takes minutes on a CPU without kernels for bfloat16.
    small = {"num_layers": 1, "num_single_layers": 1, "num_attention_heads": 1}
    monkeypatch.setattr(train_kontext_module, "TRANSFORMER", TRANSFORMER | small)

    def train(stage: Stage) -> Mapping[str, Tensor]:
        return train_kontext(stage, config, samples, tokenizers).state_dict()

    _require_exact_resume(train, tmp_path, monkeypatch, steps=4)


def test_kontext_starts_from_a_trained_model(tmp_path: Path, samples, small_sizes, tokenizers) -> None:
    start = TinyKontext()
    before = {name: weight.clone() for name, weight in start.state_dict().items()}
    stage = Stage("kontext", tmp_path, 0, 60)
    after = train_kontext(stage, KontextConfig(steps=0, compile=False), samples, tokenizers, start).state_dict()
    assert all(torch.equal(after[name], weight) for name, weight in before.items())


def test_vision_resumes_exactly(tmp_path: Path, samples, tokenizers, monkeypatch) -> None:
    config = VisionConfig(steps=2, batch=4)
    _require_exact_resume(
        lambda stage: train_vision(stage, config, samples, tokenizers).state_dict(), tmp_path, monkeypatch
    )


def test_the_decoder_stage_leaves_the_encoder_alone(tmp_path: Path) -> None:
    start = Autoencoder()
    before = {name: weight.clone() for name, weight in start.state_dict().items()}
    config = AutoencoderConfig(steps=2, batch=2, crop=32, decoder_only=True)
    after = train_autoencoder(Stage("decoder", tmp_path, 2, 60), config, _images(1), start=start).state_dict()
    kept = {name for name, weight in before.items() if torch.equal(weight, after[name])}
    assert kept == {name for name in before if not name.startswith("taesd_decoder.")}
