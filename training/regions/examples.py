"""Training examples of a region expert: latents, masks on the maps' cells, prompts and token spans."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...attention import resize
from ...dataset.region_manifest import RegionExample
from ...errors import TrainingError
from ...storage.image_reader import read_mask
from ...storage.image_rows import ImageRows, image_rows, report_broken
from ..adapters.encoded import PIXELS, EncodedExamples, Texts, encode_images, encode_prompts, json_digest, one_size
from ..bases import Base
from .spans import DescribedExample, MaskedSpan

REMEDY = (
    "resize all images and masks of the manifest to one size, with sides that are multiples of 16; "
    "`styleroute data regions --size S` makes a new dataset at one size"
)

LARGEST_SHARE = 0.98
"""Largest share of an image that a mask may cover."""


@dataclass(frozen=True)
class RegionExamples(EncodedExamples):
    """Examples of one style with their latents, masks, text and spans.

    Attributes:
        rows: the examples whose files are all readable.
        spans: for each example, the token spans of the style and their masks.
        masks: float32 [M, h, w], the share of each map cell that an object covers.
    """

    rows: Sequence[RegionExample]
    spans: Sequence[tuple[MaskedSpan, ...]]
    masks: ImageRows

    def __len__(self) -> int:
        return len(self.rows)

    def mask(self, span: MaskedSpan) -> Tensor:
        """The mask [h, w] in 0..1 of all objects of a span."""
        return torch.from_numpy(self.masks.of(span.masks, "masks")).amax(0)

    def identity(self) -> str:
        """A digest of file names, file sizes, objects, styles and prompts."""
        described = []
        for row in self.rows:
            files = [(path.name, path.stat().st_size) for path in row.files]
            described.append([row.prompt, files, [(region.object, region.style) for region in row.regions]])
        return json_digest(described)


@dataclass(frozen=True)
class RegionBatch:
    """B examples.

    Attributes:
        original, styled: latents [B, 16, H, W].
        text: T5 states [B, N, D] and pooled vectors [B, P].
        spans: token positions of each span of each example.
        masks: [B, S, h, w], zeros where an example has fewer spans than S.
    """

    original: Tensor
    styled: Tensor
    text: tuple[Tensor, Tensor]
    spans: list[list[tuple[int, ...]]]
    masks: Tensor

    def to(self, device: torch.device) -> "RegionBatch":
        """A copy on a device."""
        text = (self.text[0].to(device), self.text[1].to(device))
        return RegionBatch(self.original.to(device), self.styled.to(device), text, self.spans, self.masks.to(device))


def make_examples(
    described: Sequence[DescribedExample], base: Base, cache: Path, texts: Texts = "cached"
) -> RegionExamples:
    """Encode every image, mask and prompt once. Examples with a broken file are left out, counted and listed.

    Raises:
        TrainingError: images or masks have different sizes, no example is whole, or a mask is empty.
        StorageError: the disk has too little room.
    """
    rows = [row for row, _ in described]
    paths = sorted({path for row in rows for path in (row.original, row.styled)})
    images = encode_images(paths, base, cache / "latents", REMEDY)
    masks = _read_masks(sorted({region.mask for row in rows for region in row.regions}), images, cache / "masks")
    for found, what in ((images, "images"), (masks, "masks")):
        report_broken(found, what)
    readable = images.rows.keys() | masks.rows.keys()
    whole = [(row, spans) for row, spans in described if set(row.files) <= readable]
    if not whole:
        raise TrainingError(f"no example has readable images and masks: {REMEDY}")
    rows, spans = zip(*whole, strict=True)
    prompts = encode_prompts(sorted({row.prompt for row in rows}), base, cache / "text", texts)
    return RegionExamples(images, prompts, rows, spans, masks)


def draw(examples: RegionExamples, count: int, seed: int, number: int) -> RegionBatch:
    """The batch of a number. It depends on seed and number only, not on the device or process."""
    rng = random.Random(f"{seed} {number}")
    return make_batch(examples, [rng.randrange(len(examples.rows)) for _ in range(count)])


def make_batch(examples: RegionExamples, chosen: Sequence[int]) -> RegionBatch:
    """The batch of the examples with these indices."""
    rows, spans = ([part[index] for index in chosen] for part in (examples.rows, examples.spans))
    masks = torch.zeros(len(rows), max(map(len, spans)), *examples.masks.arrays["masks"].shape[-2:])
    for index, row in enumerate(spans):
        masks[index, : len(row)] = torch.stack([examples.mask(span) for span in row])
    return RegionBatch(
        original=examples.latents([row.original for row in rows]),
        styled=examples.latents([row.styled for row in rows]),
        text=examples.prompts.of([row.prompt for row in rows]),
        spans=[[span.tokens for span in row] for row in spans],
        masks=masks,
    )


def _read_masks(paths: Sequence[Path], images: ImageRows, cache: Path) -> ImageRows:
    """An array "masks": the mean of each mask over every map cell. A map cell is an image token, 16 x 16 pixels.

    Raises:
        TrainingError: the masks do not have the images' size, or a mask covers nothing or nearly everything.
    """
    width, height = one_size(paths, REMEDY)
    rows, cols = (side * 8 for side in images.arrays["latents"].shape[-2:])
    if (height, width) != (rows, cols):
        raise TrainingError(
            f"the masks are {width} x {height}, expected {cols} x {rows}, the size of the images: {REMEDY}"
        )
    cells = (height // 16, width // 16)

    def per_cell(masks: list[np.ndarray]) -> dict[str, np.ndarray]:
        return {"masks": resize(torch.from_numpy(np.stack(masks)), cells).numpy()}

    chunk = max(1, min(32, PIXELS // (width * height)))
    shapes = {"masks": (cells, "float32")}
    found = image_rows(cache, {"cells": list(cells)}, paths, shapes, per_cell, "masks", chunk, read_mask)
    for path, row in found.rows.items():
        _require_part(path, float(found.arrays["masks"][row].mean()))
    return found


def _require_part(path: Path, share: float) -> None:
    """Check that a mask covers a part of the image. A mask of the whole image teaches no place.

    Raises:
        TrainingError: the mask is empty, or covers nearly everything.
    """
    if share == 0:
        raise TrainingError(f"{path} is all black, expected a mask of an object: remove its example from the manifest")
    if share > LARGEST_SHARE:
        raise TrainingError(
            f"{path} covers {share:.0%} of the image, expected a mask of an object, white on black or by transparency. "
            "Correct it, or remove its example from the manifest"
        )
