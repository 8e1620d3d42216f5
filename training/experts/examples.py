"""What experts learn from: triplets as cached latents, text and style embeddings, drawn by batch number."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor
from torch.nn import functional

from ...moe import StyleEncoder
from ..bases import Base
from ..data.triplets import Triplet
from ..progress import console
from ..row_cache import cached_rows, fingerprint
from ..run_folder import TrainingError
from ..style_encoder.states import cached_states, stored_layers
from ..style_encoder.vision import Vision
from .config import POOLED_CELLS


@dataclass(frozen=True)
class Examples:
    """Triplets with what was computed of their pictures and prompts.

    Attributes:
        triplets: N of them, all readable.
        latents: float16 [P, 16, H, W] of the distinct pictures, a memory map.
        rows: each picture's row in `latents`.
        prompts: each prompt's row in `states` [Q, T, D] and `pooled` [Q, V].
        styles: each reference's embedding [cond_dim], by its path; empty for a plain LoRA.
    """

    triplets: Sequence[Triplet]
    latents: np.ndarray
    rows: dict[Path, int]
    prompts: dict[str, int]
    states: np.ndarray
    pooled: np.ndarray
    styles: dict[Path, Tensor]

    def with_styles(self, styles: dict[Path, Tensor]) -> "Examples":
        """The triplets whose reference has an embedding, and the embeddings."""
        triplets = [row for row in self.triplets if row.reference in styles]
        return replace(self, triplets=triplets, styles=styles)


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


def make_examples(triplets: Sequence[Triplet], base: Base, cache: Path) -> Examples:
    """Encode every picture and prompt once; broken pictures leave their triplets out, counted and named.

    Raises:
        TrainingError: the pictures have different sizes, no triplet is whole, or the disk has no room.
    """
    triplets = _readable(triplets)
    pictures = sorted({path for row in triplets for path in (row.content, row.stylised, row.reference)})
    size = _one_size(pictures)
    identity = {"base": base.identity, "pictures": [fingerprint(path) for path in pictures]}
    shape = tuple(base.encode(torch.zeros(1, 3, size[1], size[0])).shape[1:])
    latents = cached_rows(
        cache / "latents", identity, {"latents": ((len(pictures), *shape), "float16")},
        lambda rows: {"latents": base.encode(_pixels([pictures[row] for row in rows])).half().cpu().numpy()}, "latents",
    )["latents"]  # fmt: skip
    prompts = sorted({row.prompt for row in triplets})
    states, pooled = base.encode_prompts(prompts[:1])
    arrays = {
        "states": ((len(prompts), *states.shape[1:]), "float16"),
        "pooled": ((len(prompts), *pooled.shape[1:]), "float32"),
    }
    text = cached_rows(
        cache / "text", {"base": base.identity, "prompts": prompts}, arrays,
        lambda rows: _text(base, [prompts[row] for row in rows]), "prompts",
    )  # fmt: skip
    places = {path: row for row, path in enumerate(pictures)}
    return Examples(triplets, latents, places, {p: row for row, p in enumerate(prompts)}, **text, styles={})


def encoded_styles(
    references: Sequence[Path], encoder: StyleEncoder, vision: Vision, cache: Path
) -> dict[Path, Tensor]:
    """Style embeddings [cond_dim] of reference pictures, by the frozen encoder."""
    pictures = sorted(set(references))
    states = cached_states(cache / "style_states", pictures, vision, stored_layers(encoder.config.taps))
    found: dict[Path, Tensor] = {}
    with torch.no_grad():
        for path, row in states.rows.items():
            found[path] = encoder(torch.from_numpy(states.states[row : row + 1].copy()).float())[0]
    return found


def pooled_latents(examples: Examples) -> dict[Path, Tensor]:
    """Style embeddings without a style encoder: the reference's latents, averaged to 16 x 4 x 4 numbers."""
    references = {row.reference for row in examples.triplets}
    return {path: pool(torch.from_numpy(examples.latents[examples.rows[path]].copy())) for path in references}


def pool(latents: Tensor) -> Tensor:
    """[16, H, W] -> [256]."""
    return functional.adaptive_avg_pool2d(latents.float(), POOLED_CELLS).flatten()


def draw(examples: Examples, count: int, window: int | None, seed: int, number: int) -> Batch:
    """The batch with this number: it follows from seed and number alone, whatever device draws it."""
    rng = random.Random(f"{seed} {number}")
    chosen = [examples.triplets[rng.randrange(len(examples.triplets))] for _ in range(count)]
    height, width = examples.latents.shape[-2:]
    side = (height, width) if window is None else (min(window, height), min(window, width))
    corner, other = ([2 * rng.randint(0, (full - part) // 2) for full, part in zip((height, width), side, strict=True)]
                     for _ in range(2))  # fmt: skip
    return Batch(
        content=_window(examples, [row.content for row in chosen], corner, side),
        stylised=_window(examples, [row.stylised for row in chosen], corner, side),
        reference=_window(examples, [row.reference for row in chosen], other, side),
        text=_prompt_rows(examples, [row.prompt for row in chosen]),
        style=torch.stack([examples.styles[row.reference] for row in chosen]) if examples.styles else None,
        corner=(corner[0] // 2, corner[1] // 2),
        reference_corner=(other[0] // 2, other[1] // 2),
    )


def _window(examples: Examples, paths: list[Path], corner: list[int], side: tuple[int, int]) -> Tensor:
    rows = [examples.rows[path] for path in paths]
    top, left = corner
    part = examples.latents[rows, :, top : top + side[0], left : left + side[1]]
    return torch.from_numpy(np.ascontiguousarray(part)).float()


def _prompt_rows(examples: Examples, prompts: list[str]) -> tuple[Tensor, Tensor]:
    rows = [examples.prompts[prompt] for prompt in prompts]
    return torch.from_numpy(examples.states[rows]).float(), torch.from_numpy(examples.pooled[rows]).float()


def _text(base: Base, prompts: list[str]) -> dict[str, np.ndarray]:
    states, pooled = base.encode_prompts(prompts)
    return {"states": states.half().cpu().numpy(), "pooled": pooled.cpu().numpy()}


def _pixels(paths: list[Path]) -> Tensor:
    pictures = [np.asarray(Image.open(path).convert("RGB"), dtype=np.float32) / 255 for path in paths]
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)


def _readable(triplets: Sequence[Triplet]) -> list[Triplet]:
    broken: dict[Path, str] = {}
    for path in {path for row in triplets for path in (row.content, row.stylised, row.reference)}:
        try:
            with Image.open(path) as picture:
                picture.convert("RGB")
        except (OSError, UnidentifiedImageError, SyntaxError) as error:
            broken[path] = str(error)
    whole = [row for row in triplets if not broken.keys() & {row.content, row.stylised, row.reference}]
    if not whole:
        raise TrainingError(f"none of the {len(triplets)} triplets has whole pictures: make the data set anew")
    if broken:
        first = min(broken)
        console.print(f"Left out {len(triplets) - len(whole)} triplets with {len(broken)} broken pictures: {first} ...")
    return whole


def _one_size(pictures: Sequence[Path]) -> tuple[int, int]:
    sizes = {Image.open(path).size: path for path in pictures}
    if len(sizes) > 1:
        (first, one), (second, other), *_ = sizes.items()
        raise TrainingError(
            f"{one} is {first[0]} x {first[1]} and {other} is {second[0]} x {second[1]}, expected one size: "
            "`styleroute data triplets FOLDER OUTPUT --size S` writes all at one"
        )
    return next(iter(sizes))
