"""The weight files: what training exports is what the loaders read back, rounded once to float16."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from styleroute.errors import TrainingError
from styleroute.training.tiny.autoencoder import FLUX_SCALE, FLUX_SHIFT, Autoencoder
from styleroute.training.tiny.export import export_autoencoder, export_kontext, export_vision
from styleroute.training.tiny.preview_factors import PreviewFactors
from styleroute.training.tiny.shipped import load_autoencoder, load_kontext, load_vision
from styleroute.training.tiny.train_kontext import TinyKontext
from styleroute.training.tiny.train_vision import ImageCaptionModel
from torch import nn


def _require_rounded_once(loaded: nn.Module, trained: nn.Module, but: str = " ") -> None:
    theirs = loaded.state_dict()
    for name, weight in trained.state_dict().items():
        if but not in name:
            assert torch.equal(theirs[name], weight.half().float() if weight.dim() else weight), name
    assert not any(parameter.requires_grad for parameter in loaded.parameters())


def test_autoencoder(tmp_path: Path) -> None:
    trained = Autoencoder().to(memory_format=torch.channels_last)
    export_autoencoder(trained, tmp_path)
    _require_rounded_once(load_autoencoder(tmp_path), trained)
    file = load_file(tmp_path / "vae.safetensors")
    assert (file["vae_scale"], file["vae_shift"]) == (torch.tensor(FLUX_SCALE), torch.tensor(FLUX_SHIFT))
    assert file["taesd_decoder.1.weight"].dtype == torch.float16


def test_the_preview_lies_in_the_metadata_of_the_autoencoder(tmp_path: Path) -> None:
    export_autoencoder(Autoencoder(), tmp_path)
    with safe_open(tmp_path / "vae.safetensors", "pt") as file:
        assert file.metadata() == {"format": "pt"}
    preview = PreviewFactors(torch.arange(48.0).view(16, 3), torch.tensor([0.25, 0.5, 0.75]))
    export_autoencoder(Autoencoder(), tmp_path, preview)
    with safe_open(tmp_path / "vae.safetensors", "pt") as file:
        entry = json.loads(file.metadata()["latent_preview"])
    assert entry["latent_rgb_factors"] == preview.factors.tolist()
    assert entry["latent_rgb_factors_bias"] == [0.25, 0.5, 0.75]


def test_transformer_and_text_encoders(tmp_path: Path) -> None:
    trained = TinyKontext()
    export_kontext(trained, tmp_path)
    _require_rounded_once(load_kontext(tmp_path), trained)
    assert "double_blocks.0.img_attn.qkv.weight" in load_file(tmp_path / "transformer.safetensors")
    assert all(name.startswith("text_model.") for name in load_file(tmp_path / "clip_l.safetensors"))


def test_vision_tower_without_its_head(tmp_path: Path) -> None:
    trained = ImageCaptionModel().vision
    export_vision(trained, tmp_path)
    _require_rounded_once(load_vision(tmp_path), trained, but="head.")
    assert all(name.startswith("vision_model.") for name in load_file(tmp_path / "siglip.safetensors"))


def test_an_interrupted_export_leaves_the_old_file_whole(tmp_path: Path, monkeypatch) -> None:
    trained = Autoencoder()
    export_autoencoder(trained, tmp_path)

    def stop_half_way(state: dict, path: str, metadata: dict) -> None:
        Path(path).write_bytes(b"half a file")
        raise KeyboardInterrupt

    monkeypatch.setattr("styleroute.moe.saving.save_file", stop_half_way)
    with pytest.raises(KeyboardInterrupt):
        export_autoencoder(Autoencoder(), tmp_path)
    _require_rounded_once(load_autoencoder(tmp_path), trained)


def test_missing_files_and_weights_name_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"vae\.safetensors is missing: take the file from the repository"):
        load_autoencoder(tmp_path)
    export_kontext(TinyKontext(), tmp_path)
    t5 = load_file(tmp_path / "t5.safetensors")
    del t5["encoder.block.1.layer.0.SelfAttention.q.weight"]
    save_file(t5, tmp_path / "t5.safetensors")
    with pytest.raises(TrainingError, match=r"t5\.safetensors has no encoder\.block\.1.*: take the file"):
        load_kontext(tmp_path)
