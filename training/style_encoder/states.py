"""The vision model's states of every picture, computed once and kept on disk."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from ..row_cache import cached_rows, fingerprint
from .vision import Vision

WHOLE, MISSING, BROKEN, NOT_FINITE = range(4)
FAULTS = ("", "it is missing", "it is no whole picture", "the vision model's states of it are NaN or beyond float16")
"""Why a picture is left out, by the number that stands in its row."""

_CHUNK = 32
"""Pictures that the vision model sees at once."""
_NO_PICTURE = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)
"""What Pillow raises for a file that is broken or no picture."""


@dataclass(frozen=True)
class CachedStates:
    """States of pictures, read from disk when they are indexed.

    Attributes:
        states: float16 [N, L, T, D], a memory map.
        pooled: float32 [N, D], the vision model's own vector of each picture, a memory map.
        rows: row of each readable picture, by its path.
        broken: why a picture was left out, by its path.
    """

    states: np.ndarray
    pooled: np.ndarray
    rows: dict[Path, int]
    broken: dict[Path, str]


def stored_layers(taps: tuple[int, ...]) -> tuple[int, ...]:
    """The order in which tapped layers are stored, as `StyleEncoder` reads them."""
    # As many layers as the lowest tap counts are taken for all of them, in the model's own order.
    return tuple(sorted(taps)) if len(taps) == -min(taps) else taps


def cached_states(folder: Path, pictures: Sequence[Path], vision: Vision, layers: tuple[int, ...]) -> CachedStates:
    """The states of `pictures`, from `folder` where they are there, else made; an interrupted run goes on.

    A changed list of pictures, changed files, another vision model or other layers make everything anew.

    Raises:
        TrainingError: the disk has no room for them; what was there stays.
    """
    count, width = len(pictures), vision.hidden_size
    arrays = {
        "states": ((count, len(layers), vision.num_tokens, width), "float16"),
        "pooled": ((count, width), "float32"),
        "faults": ((count,), "uint8"),
    }
    identity = {"vision": vision.identity, "layers": layers, "files": [fingerprint(path) for path in pictures]}

    def compute(rows: range) -> dict[str, np.ndarray]:
        return _compute([pictures[row] for row in rows], vision, layers)

    stored = cached_rows(folder, identity, arrays, compute, "vision states", _CHUNK)
    faults = dict(zip(pictures, stored["faults"].tolist(), strict=True))
    rows = {path: row for row, path in enumerate(pictures) if faults[path] == WHOLE}
    broken = {path: FAULTS[fault] for path, fault in faults.items() if fault != WHOLE}
    return CachedStates(stored["states"], stored["pooled"], rows, broken)


def _compute(paths: list[Path], vision: Vision, layers: tuple[int, ...]) -> dict[str, np.ndarray]:
    """The arrays' rows of these pictures; zeros where there is no whole picture."""
    with ThreadPoolExecutor() as pool:
        read = list(pool.map(_read, paths))
    states = np.zeros((len(paths), len(layers), vision.num_tokens, vision.hidden_size), np.float16)
    pooled = np.zeros((len(paths), vision.hidden_size), np.float32)
    faults = np.array([found if isinstance(found, int) else WHOLE for found in read], np.uint8)
    whole = np.flatnonzero(faults == WHOLE)
    if len(whole):
        output = vision.read([read[row] for row in whole], layers)
        states[whole], pooled[whole] = output.states.half().numpy(), output.pooled.numpy()
        finite = np.isfinite(states).all((1, 2, 3)) & np.isfinite(pooled).all(1)
        faults[~finite] = NOT_FINITE
    return {"states": states, "pooled": pooled, "faults": faults}


def _read(path: Path) -> Image.Image | int:
    """A picture, or why it cannot be read."""
    try:
        with Image.open(path) as picture:
            return ImageOps.exif_transpose(picture).convert("RGB")
    except FileNotFoundError:
        return MISSING
    except _NO_PICTURE:
        return BROKEN
