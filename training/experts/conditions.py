"""What the routers read of a style image: the style encoder's embedding, or the image's pooled latents."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from ...errors import TrainingError
from ...moe import StyleEncoder
from ...moe.expert import open_encoder
from ...storage.image_rows import ImageRows, image_rows
from ..style_encoder.states import stored_layers
from ..style_encoder.vision import Vision, load_vision, require_layers
from .config import POOLED_CELLS, ExpertsTrainConfig

CHUNK = 32
"""Images that the vision model sees at once."""


class StyleCondition(Protocol):
    """What the routers read.

    Attributes:
        width: cond_dim.
        identity: of the weights that make it.
        encoder: what the expert file takes along.
    """

    width: int
    identity: str
    encoder: StyleEncoder | None

    def rows(self, images: Sequence[Path], latents: ImageRows, cache: Path) -> ImageRows:
        """An array "styles" [N, cond_dim], given the images' latents."""
        ...

    def free(self) -> None:
        """Let go of the vision model: all rows are made."""
        ...


class EncodedStyle:
    """The frozen style encoder's embedding (StyleExpert)."""

    def __init__(self, encoder: StyleEncoder, vision: Vision) -> None:
        self.encoder, self._vision = encoder, vision
        self.width = encoder.config.cond_dim
        self.identity = _digest(encoder, vision)

    def rows(self, images: Sequence[Path], latents: ImageRows, cache: Path) -> ImageRows:
        shapes = {"styles": ((self.width,), "float32")}
        identity = {"condition": self.identity}
        return image_rows(cache / "styles", identity, images, shapes, self._encode, "style embeddings", CHUNK)

    def free(self) -> None:
        self._vision = None
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    @torch.no_grad()
    def _encode(self, images: list[Image.Image]) -> dict[str, np.ndarray]:
        states = self._vision.read(images, stored_layers(self.encoder.config.taps)).states
        return {"styles": self.encoder(states).numpy()}


class PooledLatents:
    """The style image's VAE latents, averaged to 16 x 4 x 4 numbers: no Stage 1."""

    width, identity, encoder = 16 * POOLED_CELLS**2, "pooled latents", None

    def rows(self, images: Sequence[Path], latents: ImageRows, cache: Path) -> ImageRows:
        return replace(latents, arrays={"styles": latents.arrays["pooled"]}, broken={})

    def free(self) -> None:
        """There is none."""


def load_condition(config: ExpertsTrainConfig, device: str) -> StyleCondition | None:
    """None for a plain LoRA, which reads none.

    Raises:
        StyleExpertError, TrainingError: the encoder or its vision model cannot be had, or do not fit each other.
    """
    if config.condition == "none":
        return None
    if config.condition == "pooled-latents":
        return PooledLatents()
    encoder = open_encoder(config.encoder)
    vision = load_vision(config.vision, device)
    _require_fit(config, encoder, vision)
    return EncodedStyle(encoder, vision)


def pool(latents: Tensor) -> Tensor:
    """[B, 16, H, W] -> [B, 256]."""
    return functional.adaptive_avg_pool2d(latents.float(), POOLED_CELLS).flatten(1)


def _require_fit(config: ExpertsTrainConfig, encoder: StyleEncoder, vision: Vision) -> None:
    require_layers(vision, encoder.config.taps)
    reads, gives = (encoder.config.num_tokens, encoder.config.hidden_size), (vision.num_tokens, vision.hidden_size)
    if reads != gives:
        raise TrainingError(
            f"{config.encoder} reads {reads[0]} tokens x {reads[1]}, but the vision model {config.vision} gives "
            f"{gives[0]} x {gives[1]}: give the --vision that the encoder was trained on "
            f"({encoder.config.vision_model}), or the encoder that belongs to this one"
        )


def _digest(encoder: StyleEncoder, vision: Vision) -> str:
    digest = hashlib.sha256(vision.identity.encode())
    for name, weight in sorted(encoder.state_dict().items()):
        digest.update(name.encode() + weight.float().contiguous().numpy().tobytes())
    return digest.hexdigest()
