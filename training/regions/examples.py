"""What region experts learn from: images as cached latents, masks on the maps' cells, prompts and their spans."""

import hashlib
import json
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
from ..adapters.encoded import PIXELS, Prompts, encode_images, encode_prompts, one_size
from ..bases import Base
from .spans import Described, Mention

REMEDY = "`styleroute data regions --size S` writes all anew at one size"


@dataclass(frozen=True)
class RegionExamples:
    """Examples of one style with what was computed of their images and prompts.

    Attributes:
        rows: those whose files are all readable.
        mentions: for each row where its style stands and what it is said of.
        images: latents float16 [P, 16, H, W].
        masks: float32 [M, h, w], how much of each cell of the maps an object covers.
        prompts: text.
    """

    rows: Sequence[RegionExample]
    mentions: Sequence[tuple[Mention, ...]]
    images: ImageRows
    masks: ImageRows
    prompts: Prompts

    def latents(self, paths: Sequence[Path]) -> Tensor:
        """[B, 16, H, W]."""
        return torch.from_numpy(self.images.of(paths, "latents")).float()

    def mask(self, mention: Mention) -> Tensor:
        """[h, w] in 0..1 of all objects that a mention is said of."""
        return torch.from_numpy(self.masks.of(mention.masks, "masks")).amax(0)

    def identity(self) -> str:
        """A digest of the files' names and sizes, of objects, styles and prompts."""
        told = []
        for row in self.rows:
            files = [(path.name, path.stat().st_size) for path in row.files]
            told.append([row.prompt, files, [(region.object, region.style) for region in row.regions]])
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()


@dataclass(frozen=True)
class Batch:
    """B examples.

    Attributes:
        original, styled: latents [B, 16, H, W].
        text: T5 states [B, N, D] and pooled vectors [B, P].
        spans: token positions of each mention of each example.
        masks: [B, S, h, w], zeros where an example has fewer mentions than S.
    """

    original: Tensor
    styled: Tensor
    text: tuple[Tensor, Tensor]
    spans: list[list[tuple[int, ...]]]
    masks: Tensor

    def to(self, device: torch.device) -> "Batch":
        """The same on a device."""
        text = (self.text[0].to(device), self.text[1].to(device))
        return Batch(self.original.to(device), self.styled.to(device), text, self.spans, self.masks.to(device))


def make_examples(described: Sequence[Described], base: Base, cache: Path) -> RegionExamples:
    """Encode every image, mask and prompt once; broken files leave their examples out, counted and named.

    Raises:
        TrainingError: images or masks have different sizes, no example is whole, a mask is empty, or the disk has no
            room.
    """
    rows = [row for row, _ in described]
    images = encode_images(
        sorted({path for row in rows for path in (row.original, row.styled)}), base, cache / "latents", REMEDY
    )
    masks = _read_masks(sorted({region.mask for row in rows for region in row.regions}), images, cache / "masks")
    for found, what in ((images, "images"), (masks, "masks")):
        report_broken(found, what)
    readable = images.rows.keys() | masks.rows.keys()
    whole = [(row, mentions) for row, mentions in described if set(row.files) <= readable]
    if not whole:
        raise TrainingError(f"no example has images and a mask that are all whole: {REMEDY}")
    rows, mentions = zip(*whole, strict=True)
    prompts = encode_prompts(sorted({row.prompt for row in rows}), base, cache / "text")
    return RegionExamples(rows, mentions, images, masks, prompts)


def draw(examples: RegionExamples, count: int, seed: int, number: int) -> Batch:
    """The batch with this number: it follows from seed and number alone, whatever device draws it."""
    rng = random.Random(f"{seed} {number}")
    return make_batch(examples, [rng.randrange(len(examples.rows)) for _ in range(count)])


def make_batch(examples: RegionExamples, chosen: Sequence[int]) -> Batch:
    """The batch of these rows."""
    rows, mentions = ([part[index] for index in chosen] for part in (examples.rows, examples.mentions))
    masks = torch.zeros(len(rows), max(map(len, mentions)), *examples.masks.arrays["masks"].shape[-2:])
    for place, row in enumerate(mentions):
        masks[place, : len(row)] = torch.stack([examples.mask(mention) for mention in row])
    return Batch(
        original=examples.latents([row.original for row in rows]),
        styled=examples.latents([row.styled for row in rows]),
        text=examples.prompts.of([row.prompt for row in rows]),
        spans=[[mention.tokens for mention in row] for row in mentions],
        masks=masks,
    )


def _read_masks(paths: Sequence[Path], images: ImageRows, cache: Path) -> ImageRows:
    """An array "masks": each mask's mean over every cell of a map, which is a token, 16 x 16 pixels.

    Raises:
        TrainingError: the masks are not of the images' size, or one is empty.
    """
    width, height = one_size(paths, REMEDY)
    rows, cols = (side * 8 for side in images.arrays["latents"].shape[-2:])
    if (height, width) != (rows, cols):
        raise TrainingError(f"the masks are {width} x {height}, expected {cols} x {rows} as the images: {REMEDY}")
    cells = (height // 16, width // 16)

    def per_cell(masks: list[np.ndarray]) -> dict[str, np.ndarray]:
        return {"masks": resize(torch.from_numpy(np.stack(masks)), cells).numpy()}

    chunk = max(1, min(32, PIXELS // (width * height)))
    shapes = {"masks": (cells, "float32")}
    found = image_rows(cache, {"cells": list(cells)}, paths, shapes, per_cell, "masks", chunk, read_mask)
    for path, row in found.rows.items():
        if not found.arrays["masks"][row].any():
            raise TrainingError(f"{path} shows no object, it is all black: remove its example from the manifest")
    return found
