"""Images and prompts that the base model encodes once, and that a cache on disk keeps."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ...errors import TrainingError
from ...storage.image_reader import image_size
from ...storage.image_rows import ImageRows, image_rows
from ...storage.row_cache import cached_rows, stored_identity
from ..bases import Base

MULTIPLE = 16
"""Divisor of an image's sides in pixels: a latent pixel has 8 x 8 pixels, an image token 2 x 2 latent pixels."""
PIXELS = 2**20
"""Pixels that the VAE encodes at once, a limit on its memory."""

Texts = Literal["cached", "computed"]
"""Whether prompts are encoded once into a cache, or at each step."""

Derived = tuple[int, Callable[[Tensor], Tensor]]
"""A width, and a function of latents [B, 16, h, w] that returns [B, width]."""


@dataclass(frozen=True)
class Prompts:
    """Encoded prompts.

    Attributes:
        rows: index of each prompt in the arrays.
        states: T5 states float16 [Q, N, D], a memory map.
        pooled: CLIP's pooled vectors float32 [Q, P], a memory map.
    """

    rows: dict[str, int]
    states: np.ndarray
    pooled: np.ndarray

    def of(self, prompts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """T5 states [B, N, D] and pooled vectors [B, P] of these prompts."""
        rows = [self.rows[prompt] for prompt in prompts]
        return torch.from_numpy(self.states[rows]).float(), torch.from_numpy(self.pooled[rows]).float()


@dataclass(frozen=True)
class ComputedPrompts:
    """Prompts that the base model encodes at each step. Its text encoders then stay in memory."""

    base: Base

    def of(self, prompts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """T5 states [B, N, D], rounded to float16 as in a cache, and pooled vectors [B, P] of these prompts."""
        encoded = {prompt: self.base.encode_prompts([prompt]) for prompt in dict.fromkeys(prompts)}
        states, pooled = (torch.cat([encoded[prompt][part] for prompt in prompts]) for part in (0, 1))
        return states.cpu().half().float(), pooled.cpu().float()


@dataclass(frozen=True)
class EncodedExamples:
    """Training examples as the base model encodes them.

    Attributes:
        images: latents float16 [P, 16, H, W] of all images.
        prompts: all prompts.
    """

    images: ImageRows
    prompts: Prompts | ComputedPrompts

    def latents(self, paths: Sequence[Path]) -> Tensor:
        """Latents [B, 16, H, W] of these images."""
        return torch.from_numpy(self.images.of(paths, "latents")).float()

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of an image in latent pixels."""
        return tuple(self.images.arrays["latents"].shape[-2:])


def json_digest(value: Any) -> str:
    """SHA-256 of a value as JSON, in hexadecimal digits."""
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()


def encode_images(
    paths: Sequence[Path], base: Base, cache: Path, remedy: str, derived: Mapping[str, Derived] | None = None
) -> ImageRows:
    """An array "latents" float16 [P, 16, H/8, W/8], and a float32 array for each derived value.

    Args:
        paths: the images.
        base: the base model.
        cache: folder of the arrays.
        remedy: the end of the error message about sizes: how to get images of one size.
        derived: further arrays by name.

    Raises:
        TrainingError: the images have different sizes, or sides that are no multiple of 16, or no image is whole.
        StorageError: the disk has too little room.
    """
    width, height = one_size(paths, remedy)
    derived, encoding = derived or {}, _encoding(cache, base)

    def encode(images: list[Image.Image]) -> dict[str, np.ndarray]:
        latents = base.encode(pixels(images), encoding).float().cpu()
        return {"latents": latents.numpy(), **{name: make(latents).numpy() for name, (_, make) in derived.items()}}

    shapes = {"latents": ((16, height // 8, width // 8), "float16")}
    shapes |= {name: ((wide,), "float32") for name, (wide, _) in derived.items()}
    chunk = max(1, min(32, PIXELS // (width * height)))
    return image_rows(cache, {"base": encoding}, paths, shapes, encode, "latents", chunk)


def _encoding(cache: Path, base: Base) -> str:
    """The encoding that the cache has started with, so that a resumed run reads the same latents; else the base's own.

    The fastest precision of a machine may be another one than that of the machine that started the cache.
    """
    started = stored_identity(cache).get("base")
    return started if started in base.encodings else base.encodings[0]


def encode_prompts(prompts: list[str], base: Base, cache: Path, texts: Texts = "cached") -> Prompts | ComputedPrompts:
    """T5 states and pooled vectors of each prompt.

    The states of the padding are kept, too: FLUX reads them, and they depend on the prompt.
    """
    if texts == "computed":
        return ComputedPrompts(base)
    tokens, width, pooled = base.text_sizes
    arrays = {
        "states": ((len(prompts), tokens, width), "float16"),
        "pooled": ((len(prompts), pooled), "float32"),
    }

    def encode(rows: range) -> dict[str, np.ndarray]:
        states, pooled = base.encode_prompts([prompts[row] for row in rows])
        return {"states": states.half().cpu().numpy(), "pooled": pooled.cpu().numpy()}

    text = cached_rows(cache, {"base": base.identity, "prompts": prompts}, arrays, encode, "prompts")
    return Prompts({prompt: row for row, prompt in enumerate(prompts)}, **text)


def pixels(images: Sequence[Image.Image]) -> Tensor:
    """RGB images of one size -> [B, 3, H, W] in 0..1."""
    values = np.stack([np.asarray(image, dtype=np.float32) / 255 for image in images])
    return torch.from_numpy(values).permute(0, 3, 1, 2)


def one_size(paths: Sequence[Path], remedy: str) -> tuple[int, int]:
    """Width and height that all readable images share.

    Raises:
        TrainingError: the images have different sizes, or sides that are no multiple of 16, or no image is readable.
    """
    found = {size: path for path in paths if (size := image_size(path)) is not None}
    if not found:
        raise TrainingError(f"none of the {len(paths)} images is readable: {remedy}")
    if len(found) > 1:
        (first, one), (second, other), *_ = found.items()
        raise TrainingError(
            f"{one} is {first[0]} x {first[1]} and {other} is {second[0]} x {second[1]}, expected one size: {remedy}"
        )
    [(width, height)] = found
    if width % MULTIPLE or height % MULTIPLE:
        raise TrainingError(
            f"the images are {width} x {height}, expected sides that are multiples of {MULTIPLE}: {remedy}"
        )
    return width, height
