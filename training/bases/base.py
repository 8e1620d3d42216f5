"""Interface of a base model, as the adapter trainers use it."""

import hashlib
from collections.abc import Sequence
from typing import Any, Protocol

from diffusers import FluxTransformer2DModel
from torch import Tensor


def short_digest(identity: str) -> str:
    """Digest of an identity, 16 hexadecimal digits, as an expert file records it for base model and data."""
    return hashlib.sha256(identity.encode()).hexdigest()[:16]


class Base(Protocol):
    """A FLUX.1 Kontext that loads part by part: encoders first, for images and prompts, then the transformer.

    Attributes:
        name: the entry ``base`` of an expert file.
        identity: identifies the weights; caches of other weights are not reused.
        encodings: identities of latents: of the weights and the precision that encode them. The first one is the best
            for this machine.
        text_sizes: N, D and P of ``encode_prompts``, known before the weights are loaded.
        tokenizer: T5's tokenizer, which gives the positions of a phrase among the N tokens.
    """

    name: str
    identity: str
    encodings: tuple[str, ...]
    text_sizes: tuple[int, int, int]

    @property
    def tokenizer(self) -> Any: ...

    def encode(self, images: Tensor, encoding: str | None = None) -> Tensor:
        """Images [B, 3, H, W] in 0..1 -> latents [B, 16, H/8, W/8], the mode of the VAE's distribution.

        Args:
            images: the images.
            encoding: one of `encodings`; by default the first one.
        """
        ...

    def decode(self, latents: Tensor) -> Tensor:
        """Latents [B, 16, H/8, W/8] -> images [B, 3, H, W] in 0..1."""
        ...

    def encode_prompts(self, prompts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """T5 states [B, N, D] and CLIP's pooled vectors [B, P]."""
        ...

    def transformer(self) -> FluxTransformer2DModel:
        """Load a new copy of the transformer."""
        ...

    def free_encoders(self) -> None:
        """Free text encoders and VAE. The next use loads them again."""
        ...
