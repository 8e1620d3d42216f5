"""Stages stop and go on exactly, and what they export comes back."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from styleroute.training.tiny.autoencoder import FLUX_SCALE, Autoencoder
from styleroute.training.tiny.checkpoints import Stage
from styleroute.training.tiny.export import export_autoencoder, export_kontext, export_vision
from styleroute.training.tiny.lessons import Lesson, Lessons
from styleroute.training.tiny.prompts import Tokenizers
from styleroute.training.tiny.run import TinyConfig
from styleroute.training.tiny.shipped import load_autoencoder, load_kontext, load_vision
from styleroute.training.tiny.train_autoencoder import AutoencoderConfig, train_autoencoder
from styleroute.training.tiny.train_kontext import KontextConfig, TinyKontext, train_kontext
from styleroute.training.tiny.train_vision import PictureCaptionModel, VisionConfig, train_vision


class StopsAfter(Stage):
    """A stage whose piece ends after some steps, as it does when its minutes are over."""

    def __init__(self, name: str, folder: Path, steps: int, piece: int) -> None:
        super().__init__(name, folder, steps, minutes=60)
        self.piece = piece

    def remaining(self):
        for step in super().remaining():
            yield step
            self.piece -= 1
            if not self.piece:
                return


def _train_in_pieces(train, name: str, folder: Path) -> tuple[torch.nn.Module, torch.nn.Module]:
    """The same training straight through, and stopped after two of four steps and gone on with."""
    torch.manual_seed(0)
    straight = train(StopsAfter(name, folder / "straight", 4, 99))
    torch.manual_seed(0)
    train(StopsAfter(name, folder / "pieces", 4, 2))
    torch.manual_seed(1)
    return straight, train(StopsAfter(name, folder / "pieces", 4, 99))


def _require_equal(first: torch.nn.Module, second: torch.nn.Module) -> None:
    for (name, mine), (_, theirs) in zip(first.state_dict().items(), second.state_dict().items(), strict=True):
        assert torch.equal(mine, theirs), name


@pytest.fixture(scope="module")
def lessons() -> Lessons:
    torch.manual_seed(0)
    kinds = ("keep", "whole", "object", "paint")
    entries = [
        Lesson(kind, f"make it {kind}", f"a photo {i}", i, i + 1, style=i % 3, picture=i)
        for i in range(4)
        for kind in kinds
    ]
    return Lessons(entries, torch.randn(5, 16, 32, 32).half(), torch.randint(0, 255, (4, 3, 128, 128)).byte())


def test_autoencoder_resumes_exactly(tmp_path) -> None:
    pictures = [np.random.default_rng(i).integers(0, 255, (200, 220, 3), dtype=np.uint8) for i in range(3)]
    config = AutoencoderConfig(steps=4, batch=2, crop=32)
    _require_equal(*_train_in_pieces(lambda stage: train_autoencoder(stage, config, pictures), "autoencoder", tmp_path))


def test_kontext_resumes_exactly_and_keeps_its_losses(tmp_path, lessons) -> None:
    config, tokenizers = KontextConfig(steps=4, batch=4, compile=False, unreferenced_every=2), Tokenizers()
    _require_equal(
        *_train_in_pieces(lambda stage: train_kontext(stage, config, lessons, tokenizers), "kontext", tmp_path)
    )


def test_vision_resumes_exactly(tmp_path, lessons) -> None:
    config, tokenizers = VisionConfig(steps=4, batch=4), Tokenizers()
    _require_equal(
        *_train_in_pieces(lambda stage: train_vision(stage, config, lessons, tokenizers), "vision", tmp_path)
    )


def test_the_decoder_stage_leaves_the_encoder_alone(tmp_path) -> None:
    start = Autoencoder()
    before = {name: weight.clone() for name, weight in start.taesd_encoder.state_dict().items()}
    pictures = [np.random.default_rng(0).integers(0, 255, (200, 220, 3), dtype=np.uint8)]
    config = AutoencoderConfig(steps=2, batch=2, crop=32, decoder_only=True)
    model = train_autoencoder(Stage("decoder", tmp_path, 2, 60), config, pictures, start=start)
    assert all(torch.equal(before[name], weight) for name, weight in model.taesd_encoder.state_dict().items())


def test_exports_come_back_in_half_precision(tmp_path) -> None:
    torch.manual_seed(0)
    autoencoder, kontext, picture = Autoencoder(), TinyKontext(), PictureCaptionModel()
    export_autoencoder(autoencoder, tmp_path)
    export_kontext(kontext, tmp_path)
    export_vision(picture.vision, tmp_path)
    assert load_file(tmp_path / "vae.safetensors")["vae_scale"].item() == pytest.approx(FLUX_SCALE, abs=1e-7)
    for original, loaded in ((autoencoder, load_autoencoder(tmp_path)), (kontext, load_kontext(tmp_path))):
        for (name, mine), (_, theirs) in zip(original.state_dict().items(), loaded.state_dict().items(), strict=True):
            torch.testing.assert_close(theirs, mine, rtol=1e-3, atol=1e-4, msg=name)
    for name, theirs in load_vision(tmp_path).state_dict().items():
        if "head." not in name:
            torch.testing.assert_close(theirs, picture.vision.state_dict()[name], rtol=1e-3, atol=1e-4, msg=name)


def test_missing_weights_name_the_remedy(tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match="styleroute train tiny"):
        load_autoencoder(tmp_path)


def test_an_unknown_stage_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no stage 'decodr': choose from autoencoder, decoder"):
        TinyConfig(stages=("decodr",))
