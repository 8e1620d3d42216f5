"""The small Kontext that ships with the pack, as a base model."""

import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import torch
from diffusers import FluxTransformer2DModel
from torch import Tensor
from transformers import T5TokenizerFast

from ...paths import TINY_MODELS
from ..precision import cpu_autocast, has_bf16_kernels
from ..tiny.autoencoder import Autoencoder
from ..tiny.config import CLIP, T5, T5_TOKENS
from ..tiny.prompts import Tokenizers
from ..tiny.shipped import load_autoencoder, load_kontext
from ..tiny.train_kontext import TinyKontext


class TinyBase:
    """Implements ``Base`` with the shipped weight files in ``models``."""

    name = "tiny-kontext"
    text_sizes = T5_TOKENS, T5["d_model"], CLIP["hidden_size"]

    def __init__(self, models: Path = TINY_MODELS) -> None:
        self.models = models
        self.identity = _digest(models)
        # bfloat16, as in the training of this VAE, takes a third of the time of float32 where the CPU has kernels.
        in_bf16, in_float32 = self.identity, f"{self.identity} float32"
        self.encodings = (in_bf16, in_float32) if has_bf16_kernels() else (in_float32, in_bf16)

    @torch.no_grad()
    def encode(self, images: Tensor, encoding: str | None = None) -> Tensor:
        with cpu_autocast((encoding or self.encodings[0]) == self.identity):
            return self._autoencoder.encode(images.contiguous(memory_format=torch.channels_last)).float()

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        return self._autoencoder.decode(latents).clamp(0, 1)

    @torch.no_grad()
    def encode_prompts(self, prompts: Sequence[str]) -> tuple[Tensor, Tensor]:
        return self._kontext.text(*self._tokenizers(list(prompts)))

    def transformer(self) -> FluxTransformer2DModel:
        return load_kontext(self.models).transformer

    def free_encoders(self) -> None:
        """Nothing to free: the encoders are small."""

    @property
    def tokenizer(self) -> T5TokenizerFast:
        return self._tokenizers.t5

    @cached_property
    def _autoencoder(self) -> Autoencoder:
        return load_autoencoder(self.models).to(memory_format=torch.channels_last)

    @cached_property
    def _kontext(self) -> TinyKontext:
        return load_kontext(self.models)

    @cached_property
    def _tokenizers(self) -> Tokenizers:
        return Tokenizers()


def _digest(models: Path) -> str:
    digest = hashlib.sha256()
    for name in ("vae", "t5", "clip_l", "transformer"):
        path = models / f"{name}.safetensors"
        digest.update(path.read_bytes() if path.exists() else b"")  # a missing file raises an error when it is loaded
    return digest.hexdigest()
