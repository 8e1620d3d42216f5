"""What experts learn from: triplets as cached latents, text and style embeddings, drawn by batch number."""

import hashlib
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ...dataset.triplets import Triplet
from ...errors import TrainingError
from ...storage.image_rows import ImageRows, report_broken
from ..adapters.encoded import Prompts, encode_images, encode_prompts
from ..bases import Base
from .conditions import PooledLatents, StyleCondition, pool

REMEDY = "`styleroute data triplets FOLDER OUTPUT --size S` writes all anew at one size"


@dataclass(frozen=True)
class Examples:
    """Triplets with what was computed of their images and prompts.

    Attributes:
        triplets: those whose images are all readable.
        images: latents float16 [P, 16, H, W].
        prompts: text.
        styles: embeddings [S, cond_dim] of the references; None for a plain LoRA.
    """

    triplets: Sequence[Triplet]
    images: ImageRows
    prompts: Prompts
    styles: ImageRows | None

    def latents(self, paths: Sequence[Path]) -> Tensor:
        """[B, 16, H, W]."""
        return torch.from_numpy(self.images.of(paths, "latents")).float()

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of an image in latent cells."""
        return tuple(self.images.arrays["latents"].shape[-2:])

    def style(self, references: Sequence[Path]) -> Tensor | None:
        """Style embeddings [B, cond_dim]."""
        return None if self.styles is None else torch.from_numpy(self.styles.of(references, "styles")).float()

    def identity(self, data: Path) -> str:
        """A digest of the triplets' names within `data`, the sizes of their files and their prompts."""
        files = [(row.content, row.reference, row.stylised) for row in self.triplets]
        names = [[(str(path.relative_to(data.resolve())), path.stat().st_size) for path in row] for row in files]
        prompts = [row.prompt for row in self.triplets]
        return hashlib.sha256(json.dumps([names, prompts]).encode()).hexdigest()


@dataclass(frozen=True)
class Batch:
    """B triplets: latents [B, 16, h, w] of a window at `corner` (in tokens), text, and style embeddings or None."""

    content: Tensor
    stylised: Tensor
    reference: Tensor
    text: tuple[Tensor, Tensor]
    style: Tensor | None
    corner: tuple[int, int]
    reference_corner: tuple[int, int]

    def to(self, device: torch.device) -> "Batch":
        """The same on a device."""
        style = None if self.style is None else self.style.to(device)
        text = (self.text[0].to(device), self.text[1].to(device))
        parts = (part.to(device) for part in (self.content, self.stylised, self.reference))
        return Batch(*parts, text, style, self.corner, self.reference_corner)


def make_examples(triplets: Sequence[Triplet], base: Base, condition: StyleCondition | None, cache: Path) -> Examples:
    """Encode every image and prompt once; broken images leave their triplets out, counted and named.

    Raises:
        TrainingError: the images have different sizes, no triplet is whole, or the disk has no room.
    """
    paths = sorted({path for row in triplets for path in (row.content, row.stylised, row.reference)})
    pooled = {"pooled": (PooledLatents.width, pool)}
    images = encode_images(paths, base, cache / "latents", REMEDY, pooled)
    report_broken(images, "images")
    triplets = [row for row in triplets if {row.content, row.stylised, row.reference} <= images.rows.keys()]
    styles = None
    if condition is not None and triplets:
        styles = condition.rows(sorted({row.reference for row in triplets}), images, cache)
        triplets = [row for row in triplets if row.reference in styles.rows]
        report_broken(styles, "style images")
    if not triplets:
        raise TrainingError(f"no triplet has images that are all whole: {REMEDY}")
    prompts = encode_prompts(sorted({row.prompt for row in triplets}), base, cache / "text")
    return Examples(triplets, images, prompts, styles)


def draw(examples: Examples, count: int, window: int | None, seed: int, number: int) -> Batch:
    """The batch with this number: it follows from seed and number alone, whatever device draws it."""
    rng = random.Random(f"{seed} {number}")
    chosen = [examples.triplets[rng.randrange(len(examples.triplets))] for _ in range(count)]
    height, width = examples.size
    side = (height, width) if window is None else (min(window, height), min(window, width))
    corner, other = ([2 * rng.randint(0, (full - part) // 2) for full, part in zip((height, width), side, strict=True)]
                     for _ in range(2))  # fmt: skip
    return Batch(
        content=_window(examples, [row.content for row in chosen], corner, side),
        stylised=_window(examples, [row.stylised for row in chosen], corner, side),
        reference=_window(examples, [row.reference for row in chosen], other, side),
        text=examples.prompts.of([row.prompt for row in chosen]),
        style=examples.style([row.reference for row in chosen]),
        corner=(corner[0] // 2, corner[1] // 2),
        reference_corner=(other[0] // 2, other[1] // 2),
    )


def _window(examples: Examples, paths: list[Path], corner: list[int], side: tuple[int, int]) -> Tensor:
    top, left = corner
    return examples.latents(paths)[..., top : top + side[0], left : left + side[1]].contiguous()
