"""What a trainer asks of the model that it trains an adapter for."""

import hashlib
from collections.abc import Sequence
from typing import Any, Protocol

from diffusers import FluxTransformer2DModel
from torch import Tensor


def short_digest(identity: str) -> str:
    """What an expert file keeps of an identity, of a base or of data: 16 hexadecimal digits."""
    return hashlib.sha256(identity.encode()).hexdigest()[:16]


class Base(Protocol):
    """A FLUX.1 Kontext, loaded part by part: images and prompts are encoded once, before the transformer is needed.

    Attributes:
        name: what the expert file says in its ``base`` entry.
        identity: tells these weights from others, for what is cached of them.
        text_sizes: N, D and P of ``encode_prompts``, known before anything is loaded.
        tokenizer: T5's, which tells where a phrase stands among the N tokens.
    """

    name: str
    identity: str
    text_sizes: tuple[int, int, int]

    @property
    def tokenizer(self) -> Any: ...

    def encode(self, images: Tensor) -> Tensor:
        """Images [B, 3, H, W] in 0..1 -> the transformer's latents [B, 16, H/8, W/8] (the mode, no sample)."""
        ...

    def decode(self, latents: Tensor) -> Tensor:
        """Latents [B, 16, H/8, W/8] -> images [B, 3, H, W] in 0..1."""
        ...

    def encode_prompts(self, prompts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """T5 states [B, N, D] and CLIP's pooled vector [B, P]."""
        ...

    def transformer(self) -> FluxTransformer2DModel:
        """The transformer, loaded anew."""
        ...

    def free_encoders(self) -> None:
        """Let go of text encoders and VAE; they are loaded again when asked for."""
        ...
