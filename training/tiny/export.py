"""Writes the parts of the small Kontext as float16 files in ComfyUI's layout."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from ...flux.layouts import to_comfy
from ...moe.saving import write_atomically
from .preview_factors import PreviewFactors
from .train_kontext import TinyKontext


def export_autoencoder(model: nn.Module, folder: Path, preview: PreviewFactors | None = None) -> None:
    """Writes the autoencoder, with FLUX's scale and shift, as ``vae.safetensors``.

    Args:
        preview: factors of ComfyUI's live preview, for the metadata of the file.
    """
    _write(model.state_dict(), folder / "vae.safetensors", {} if preview is None else preview.metadata())


def export_kontext(model: TinyKontext, folder: Path) -> None:
    """Writes the transformer in ComfyUI's layout, and its two text encoders."""
    plain = {name.replace("_orig_mod.", ""): weight for name, weight in model.transformer.state_dict().items()}
    _write(to_comfy(plain), folder / "transformer.safetensors")
    t5 = {name: weight for name, weight in model.text.t5.state_dict().items() if name != "encoder.embed_tokens.weight"}
    _write(t5, folder / "t5.safetensors")
    clip = model.text.clip.state_dict()
    prefix = "" if any(name.startswith("text_model.") for name in clip) else "text_model."
    _write({prefix + name: weight for name, weight in clip.items()}, folder / "clip_l.safetensors")


def export_vision(model: nn.Module, folder: Path) -> None:
    """Writes the SigLIP vision tower without its pooling head, with the ``vision_model.`` keys of stock files."""
    state = {name: weight for name, weight in model.state_dict().items() if ".head." not in f".{name}"}
    prefix = "" if any(name.startswith("vision_model.") for name in state) else "vision_model."
    _write({prefix + name: weight for name, weight in state.items()}, folder / "siglip.safetensors")


def _write(state: dict[str, Tensor], path: Path, metadata: Mapping[str, str] | None = None) -> None:
    # Scalars (the autoencoder's scale and shift) stay in float32.
    half = {
        name: weight.detach().to(torch.float16 if weight.dim() else torch.float32) for name, weight in state.items()
    }
    half = {name: weight.clone(memory_format=torch.contiguous_format) for name, weight in half.items()}
    write_atomically(path, half, {"format": "pt", **(metadata or {})}, check=False)
