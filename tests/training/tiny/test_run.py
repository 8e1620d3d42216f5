"""The run as a whole: its stages' names, and the styles stage from checkpoints to an expert file."""

from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from styleroute.moe import StyleExpert
from styleroute.moe.layer_names import all_layers
from styleroute.training.tiny import run
from styleroute.training.tiny.autoencoder import Autoencoder
from styleroute.training.tiny.checkpoints import Stage
from styleroute.training.tiny.config import COND_DIM
from styleroute.training.tiny.run import TinyConfig, TinyTraining
from styleroute.training.tiny.train_kontext import TinyKontext
from styleroute.training.tiny.train_styles import StylesConfig
from styleroute.training.tiny.train_vision import PictureCaptionModel

SIZES = {"encoder_steps": 3, "encoder_batch": 8, "experts": 4, "rank": 2, "steps": 2, "batch": 2}


@pytest.fixture
def config(tmp_path: Path, monkeypatch, lessons, tokenizers) -> TinyConfig:
    """A run folder in which all stages but the styles are done, on random weights."""
    monkeypatch.setattr(run, "Tokenizers", lambda: tokenizers)
    folder = tmp_path / "run"
    torch.manual_seed(0)
    for name, model in (("autoencoder", Autoencoder), ("kontext", TinyKontext), ("vision", PictureCaptionModel)):
        Stage(name, folder, 1, 0, step=1).save(model=model())
    entries = [asdict(lesson) for lesson in lessons.lessons]
    torch.save({"lessons": entries, "latents": lessons.latents, "pictures": lessons.pictures}, folder / "lessons.pt")
    return TinyConfig(stages=("styles",), run=folder, models=tmp_path, styles=StylesConfig(compile=False, **SIZES))


def test_the_styles_stage_writes_an_expert_file(config: TinyConfig, tmp_path: Path) -> None:
    TinyTraining(config).run()
    expert = StyleExpert.open(tmp_path / "style_experts" / "tiny_styles.safetensors")
    # All of the small transformer's attention and feed-forward layers, none of its modulation and embedding layers.
    assert set(expert.layers) == {name for name in all_layers(3, 6) if "blocks." in name and ".norm" not in name}
    assert len(expert.layers) == 3 * 12 + 6 * 5
    assert (expert.config.num_experts, expert.config.top_k, expert.config.cond_dim) == (4, 2, COND_DIM)
    assert expert.training["steps"] == 2
    assert expert.training["paintings"] == 4
    assert 0 < expert.training["loss"] < 10
    style = expert.encoder(torch.randn(1, 6, 64, 192))
    assert style.shape == (1, COND_DIM)
    assert expert.collapse(style)["transformer_blocks.0.attn.to_q"].up.abs().max() > 0


def test_finished_experts_are_written_again_with_the_encoder_that_they_know(config: TinyConfig, tmp_path) -> None:
    path = tmp_path / "style_experts" / "tiny_styles.safetensors"
    TinyTraining(config).run()
    first = load_file(path)
    torch.manual_seed(123)
    TinyTraining(config).run()
    for name, weight in load_file(path).items():
        assert torch.equal(weight, first[name]), name
    assert "loss" not in StyleExpert.open(path).training


@pytest.mark.parametrize("stage", ["vision", "kontext", "autoencoder"])
def test_a_stage_that_was_left_out_is_asked_for(config: TinyConfig, stage: str) -> None:
    missing = config.run / f"{stage}.pt"
    missing.unlink()
    with pytest.raises(FileNotFoundError, match=rf"holds no {stage}\.pt: run the stage '{stage}' first"):
        TinyTraining(config).run()
    assert not missing.exists()


def test_an_unknown_stage_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no stage 'decodr': choose from autoencoder, decoder, kontext, "):
        TinyConfig(stages=("autoencoder", "decodr"))
