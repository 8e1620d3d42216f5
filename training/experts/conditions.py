"""Input of the routers: the style encoder's embedding of a style image, or the image's pooled latents."""

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
from ..style_encoder.vision import TINY, Vision, load_vision, require_layers
from .config import POOLED_CELLS, ExpertModel

CHUNK = 32
"""Images per batch of the vision model."""


class StyleCondition(Protocol):
    """Computes the input of the routers.

    Attributes:
        width: cond_dim, numbers per style.
        identity: digest of the weights that compute it.
        encoder: the style encoder, which the expert file contains; None without an encoder.
    """

    width: int
    identity: str
    encoder: StyleEncoder | None

    def rows(self, images: Sequence[Path], latents: ImageRows, cache: Path) -> ImageRows:
        """An array "styles" [N, cond_dim] for these images.

        Args:
            images: the style images.
            latents: the images' latents.
            cache: folder of the array.
        """
        ...

    def free(self) -> None:
        """Free the vision model, after all rows are computed."""
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
    """The style image's VAE latents, averaged to 16 x 4 x 4 numbers, without Stage 1."""

    width, identity, encoder = 16 * POOLED_CELLS**2, "pooled latents", None

    def rows(self, images: Sequence[Path], latents: ImageRows, cache: Path) -> ImageRows:
        return replace(latents, arrays={"styles": latents.arrays["pooled"]}, broken={})

    def free(self) -> None:
        """Nothing to free: there is no vision model."""


def load_condition(model: ExpertModel, device: str) -> StyleCondition | None:
    """The condition of the routers; None for a plain LoRA, which has no routers.

    Raises:
        StyleExpertError, TrainingError: style encoder or vision model cannot be loaded, or do not fit together.
    """
    if model.condition == "none":
        return None
    if model.condition == "pooled-latents":
        return PooledLatents()
    encoder = open_encoder(_require_file(model))
    vision = load_vision(model.vision, device)
    _require_fit(model, encoder, vision)
    return EncodedStyle(encoder, vision)


def pool(latents: Tensor) -> Tensor:
    """Means of 4 x 4 cells: latents [B, 16, H, W] -> [B, 256]."""
    return functional.adaptive_avg_pool2d(latents.float(), POOLED_CELLS).flatten(1)


def _require_file(model: ExpertModel) -> Path:
    """The style encoder's file.

    Raises:
        TrainingError: it is missing.
    """
    path = model.encoder
    if path is None or not path.exists():
        preset = " --preset tiny" if model.vision == TINY else ""
        raise TrainingError(
            f"there is no style encoder {path}, which the routers read: train one with "
            f"`styleroute train encoder{preset}`, or give --encoder FILE"
        )
    return path


def _require_fit(model: ExpertModel, encoder: StyleEncoder, vision: Vision) -> None:
    require_layers(vision, encoder.config.taps)
    reads, gives = (encoder.config.num_tokens, encoder.config.hidden_size), (vision.num_tokens, vision.hidden_size)
    if reads != gives:
        raise TrainingError(
            f"{model.encoder} reads {reads[0]} tokens x {reads[1]}, but the vision model {model.vision} gives "
            f"{gives[0]} x {gives[1]}. Give the --vision that the encoder was trained on "
            f"({encoder.config.vision_model}), or an --encoder for this vision model"
        )


def _digest(encoder: StyleEncoder, vision: Vision) -> str:
    digest = hashlib.sha256(vision.identity.encode())
    for name, weight in sorted(encoder.state_dict().items()):
        digest.update(name.encode() + weight.float().contiguous().numpy().tobytes())
    return digest.hexdigest()
