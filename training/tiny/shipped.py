"""Loads the shipped weight files into the models of the trainers."""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import SiglipVisionConfig, SiglipVisionModel

from ...dataset.scenes import IMAGE_SIDE as IMAGE_SIDE
from ...errors import TrainingError
from ...flux.layouts import to_diffusers
from ...paths import TINY_MODELS
from .autoencoder import Autoencoder
from .config import SIGLIP
from .train_kontext import TinyKontext

REMEDY = "take the file from the repository, or write all of them with `styleroute train tiny --models FOLDER`"


def load_autoencoder(folder: Path = TINY_MODELS) -> Autoencoder:
    """Loads the shipped autoencoder in float32."""
    model = Autoencoder()
    model.load_state_dict(_read(folder / "vae.safetensors"))
    return model.eval().requires_grad_(False)


def load_kontext(folder: Path = TINY_MODELS) -> TinyKontext:
    """Loads the shipped transformer and text encoders in float32."""
    model = TinyKontext()
    model.transformer.load_state_dict(to_diffusers(_read(folder / "transformer.safetensors")))
    t5 = _read(folder / "t5.safetensors")
    # The second name of the embedding depends on the version of transformers; all other weights are required.
    missing, _ = model.text.t5.load_state_dict({**t5, "encoder.embed_tokens.weight": t5["shared.weight"]}, strict=False)
    if missing:
        raise TrainingError(f"{folder / 't5.safetensors'} has no {missing[0]}: {REMEDY}")
    model.text.clip.load_state_dict(_renamed(_read(folder / "clip_l.safetensors"), model.text.clip, "text_model."))
    return model.eval().requires_grad_(False)


def load_vision(folder: Path = TINY_MODELS) -> SiglipVisionModel:
    """Loads the shipped vision tower in float32; its pooling head is not in the file and stays untrained."""
    model = SiglipVisionModel(SiglipVisionConfig(**SIGLIP))
    state = _renamed(_read(folder / "siglip.safetensors"), model, "vision_model.")
    missing, unexpected = model.load_state_dict(state, strict=False)
    if unexpected or any("head." not in name for name in missing):
        raise TrainingError(f"{folder / 'siglip.safetensors'} does not fit the small SigLIP: {REMEDY}")
    return model.eval().requires_grad_(False)


def _read(path: Path) -> dict[str, Tensor]:
    if not path.exists():
        raise TrainingError(f"{path} is missing: {REMEDY}")
    return {name: weight.float() for name, weight in load_file(path).items()}


def _renamed(state: dict[str, Tensor], model: torch.nn.Module, prefix: str) -> dict[str, Tensor]:
    """Removes the prefix from the names if the installed version of transformers has none."""
    if any(name.startswith(prefix) for name in model.state_dict()):
        return state
    return {name.removeprefix(prefix): weight for name, weight in state.items()}
