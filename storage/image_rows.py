"""Arrays with a row for every image, kept on disk, which say of each image that cannot be used what is wrong."""

import struct
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageOps

from ..progress import console
from .row_cache import cached_rows, fingerprint

WHOLE, MISSING, BROKEN, NOT_FINITE = range(4)
FAULTS = ("", "it is missing", "it is no whole image", "what was computed of it is NaN or beyond float16")
"""Why an image is left out, by the number that stands in its row."""

_NO_IMAGE = (OSError, EOFError, SyntaxError, ValueError, struct.error, Image.DecompressionBombError)
"""What Pillow raises for a file that is broken or no image."""

Compute = Callable[[list[Image.Image]], Mapping[str, np.ndarray]]
"""RGB images -> arrays with a row for each, by name."""


@dataclass(frozen=True)
class ImageRows:
    """Arrays, read from disk when they are indexed.

    Attributes:
        arrays: memory maps [N, ...] by name; the rows of broken images are zero.
        rows: row of each readable image, by its path.
        broken: why an image was left out, by its path.
    """

    arrays: dict[str, np.ndarray]
    rows: dict[Path, int]
    broken: dict[Path, str]

    def of(self, paths: Sequence[Path], name: str) -> np.ndarray:
        """An array's rows of these images, [len(paths), ...]."""
        return self.arrays[name][[self.rows[path] for path in paths]]


def image_rows(
    folder: Path,
    identity: Mapping[str, Any],
    images: Sequence[Path],
    shapes: Mapping[str, tuple[tuple[int, ...], str]],
    compute: Compute,
    title: str,
    chunk: int,
) -> ImageRows:
    """The arrays of `images`, from `folder` where they are there, else computed; an interrupted run goes on.

    A changed list of images, changed files or another identity make everything anew.

    Args:
        identity: of what they are computed with, as JSON.
        shapes: shape of one row, and dtype, of each array.
        title: of the progress bar.
        chunk: images at once.

    Raises:
        StorageError: the disk has no room for them; what was there stays.
    """
    arrays = {name: ((len(images), *shape), dtype) for name, (shape, dtype) in shapes.items()}
    arrays["faults"] = ((len(images),), "uint8")
    identity = {**identity, "files": [fingerprint(path) for path in images]}

    def compute_rows(rows: range) -> dict[str, np.ndarray]:
        return _compute([images[row] for row in rows], shapes, compute)

    stored = cached_rows(folder, identity, arrays, compute_rows, title, chunk)
    faults = dict(zip(images, stored.pop("faults").tolist(), strict=True))
    rows = {path: row for row, path in enumerate(images) if faults[path] == WHOLE}
    return ImageRows(stored, rows, {path: FAULTS[fault] for path, fault in faults.items() if fault != WHOLE})


def image_size(path: Path) -> tuple[int, int] | None:
    """Width and height as the image is seen; its header alone is read. None where it cannot be."""
    try:
        with Image.open(path) as image:
            turned = "exif" in image.info and image.getexif().get(ExifTags.Base.Orientation, 1) > 4
            return image.size[::-1] if turned else image.size
    except _NO_IMAGE:
        return None


def tell_broken(found: ImageRows, what: str) -> None:
    """Prints how many images were left out, and which."""
    if found.broken:
        listed = "\n".join(f"  {path}: {reason}" for path, reason in found.broken.items())
        count = len(found.broken) + len(found.rows)
        console.print(f"Left out {len(found.broken)} of {count} {what}:\n{listed}", soft_wrap=True)


def _compute(
    paths: list[Path], shapes: Mapping[str, tuple[tuple[int, ...], str]], compute: Compute
) -> dict[str, np.ndarray]:
    """The arrays' rows of these images; zeros where there is no whole image."""
    with ThreadPoolExecutor() as pool:
        read = list(pool.map(_read, paths))
    faults = np.array([found if isinstance(found, int) else WHOLE for found in read], np.uint8)
    arrays = {name: np.zeros((len(paths), *shape), dtype) for name, (shape, dtype) in shapes.items()}
    whole = np.flatnonzero(faults == WHOLE)
    if len(whole):
        with np.errstate(over="ignore"):
            for name, values in compute([read[row] for row in whole]).items():
                arrays[name][whole] = values
    for values in arrays.values():
        faults[~np.isfinite(values.reshape(len(paths), -1)).all(1)] = NOT_FINITE
    return {**arrays, "faults": faults}


def _read(path: Path) -> Image.Image | int:
    """An image, or why it cannot be read."""
    try:
        with Image.open(path) as image:
            return ImageOps.exif_transpose(image).convert("RGB")
    except FileNotFoundError:
        return MISSING
    except _NO_IMAGE:
        return BROKEN
