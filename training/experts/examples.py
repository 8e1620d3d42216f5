"""Training examples of the experts: triplets as latents, text and style embeddings, drawn by the batch's number."""

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ...dataset.triplets import Triplet
from ...errors import TrainingError
from ...storage.image_rows import ImageRows, report_broken
from ..adapters.encoded import EncodedExamples, Texts, encode_images, encode_prompts, json_digest
from ..bases import Base
from .conditions import PooledLatents, StyleCondition, pool

REMEDY = "`styleroute data triplets FOLDER OUTPUT --size S` writes all images again at one size"


@dataclass(frozen=True)
class TripletExamples(EncodedExamples):
    """Triplets with their latents, text and style embeddings.

    Attributes:
        triplets: the triplets whose images are all readable.
        styles: style embeddings [S, cond_dim] of the reference images; None for a plain LoRA.
    """

    triplets: Sequence[Triplet]
    styles: ImageRows | None

    def style(self, references: Sequence[Path]) -> Tensor | None:
        """Style embeddings [B, cond_dim] of these reference images."""
        return None if self.styles is None else torch.from_numpy(self.styles.of(references, "styles")).float()

    def __len__(self) -> int:
        return len(self.triplets)

    def identity(self, data: Path) -> str:
        """A digest of the file names inside `data`, the file sizes, and the prompts."""
        root, files = data.resolve(), [(row.content, row.reference, row.stylised) for row in self.triplets]
        named = {path: (str(path.relative_to(root)), path.stat().st_size) for path in {*itertools.chain(*files)}}
        names = [[named[path] for path in row] for row in files]
        return json_digest([names, [row.prompt for row in self.triplets]])


@dataclass(frozen=True)
class TripletBatch:
    """B triplets, seen through a crop of h x w latent pixels.

    Attributes:
        content, stylised, reference: latents [B, 16, h, w].
        text: T5 states [B, N, D] and pooled vectors [B, P].
        style: style embeddings [B, cond_dim], or None for a plain LoRA.
        corner: row and column of the crop of content and stylised image, in tokens.
        reference_corner: row and column of the reference image's crop, in tokens.
    """

    content: Tensor
    stylised: Tensor
    reference: Tensor
    text: tuple[Tensor, Tensor]
    style: Tensor | None
    corner: tuple[int, int]
    reference_corner: tuple[int, int]

    def to(self, device: torch.device) -> "TripletBatch":
        """A copy on a device."""
        style = None if self.style is None else self.style.to(device)
        text = (self.text[0].to(device), self.text[1].to(device))
        parts = (part.to(device) for part in (self.content, self.stylised, self.reference))
        return TripletBatch(*parts, text, style, self.corner, self.reference_corner)


def make_examples(
    triplets: Sequence[Triplet],
    base: Base,
    condition: StyleCondition | None,
    cache: Path,
    texts: Texts = "cached",
) -> TripletExamples:
    """Encode every image and prompt once. Triplets with a broken image are left out, counted and listed.

    Raises:
        TrainingError: the images have different sizes, or no triplet is whole.
        StorageError: the disk has too little room.
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
        raise TrainingError(f"no triplet has three readable images: {REMEDY}")
    prompts = encode_prompts(sorted({row.prompt for row in triplets}), base, cache / "text", texts)
    return TripletExamples(images, prompts, triplets, styles)


def draw(
    examples: TripletExamples, count: int, window: int | None, seed: int, number: int, grid: int | None = None
) -> TripletBatch:
    """The batch of a number. It depends on seed and number only, not on the device or process.

    Args:
        examples: the training examples.
        count: B, triplets in the batch.
        window: side of the crop in latent pixels; None for whole images.
        seed: the training's seed.
        number: the batch's number.
        grid: side in tokens of the square in which a crop may stand; None: where it is in its image.
    """
    rng = random.Random(f"{seed} {number}")
    chosen = [examples.triplets[rng.randrange(len(examples.triplets))] for _ in range(count)]
    height, width = examples.size
    side = (height, width) if window is None else (min(window, height), min(window, width))
    corner, other = ([2 * rng.randint(0, (full - part) // 2) for full, part in zip((height, width), side, strict=True)]
                     for _ in range(2))  # fmt: skip
    places = [_place(part, side, grid if window else None, rng) for part in (corner, other)]
    return TripletBatch(
        content=_crop(examples, [row.content for row in chosen], corner, side),
        stylised=_crop(examples, [row.stylised for row in chosen], corner, side),
        reference=_crop(examples, [row.reference for row in chosen], other, side),
        text=examples.prompts.of([row.prompt for row in chosen]),
        style=examples.style([row.reference for row in chosen]),
        corner=places[0],
        reference_corner=places[1],
    )


def whole_batch(examples: TripletExamples, chosen: Sequence[Triplet]) -> TripletBatch:
    """The batch of these triplets, as whole images."""
    return TripletBatch(
        content=examples.latents([row.content for row in chosen]),
        stylised=examples.latents([row.stylised for row in chosen]),
        reference=examples.latents([row.reference for row in chosen]),
        text=examples.prompts.of([row.prompt for row in chosen]),
        style=examples.style([row.reference for row in chosen]),
        corner=(0, 0),
        reference_corner=(0, 0),
    )


def _place(corner: list[int], side: tuple[int, int], grid: int | None, rng: random.Random) -> tuple[int, int]:
    """Row and column of a crop's position, in tokens: that in its image, or any place in the grid."""
    if grid is None:
        return corner[0] // 2, corner[1] // 2
    return rng.randint(0, grid - side[0] // 2), rng.randint(0, grid - side[1] // 2)


def _crop(examples: TripletExamples, paths: list[Path], corner: list[int], side: tuple[int, int]) -> Tensor:
    top, left = corner
    return examples.latents(paths)[..., top : top + side[0], left : left + side[1]].contiguous()
