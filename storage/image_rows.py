"""Arrays with one row per image, kept on disk. Each image that cannot be used is left out, with the reason."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from ..progress import console
from .image_reader import read_image
from .row_cache import cached_rows, fingerprint

WHOLE, MISSING, BROKEN, NOT_FINITE = range(4)
FAULTS = ("", "the file is missing", "the file is not a whole image", "its computed values are NaN or beyond float16")
"""The reason why an image is left out, by the number in its row of the array "faults"."""

Shapes = Mapping[str, tuple[tuple[int, ...], str]]
"""Shape of one row, and dtype, of each array."""

Compute = Callable[[list[Any]], Mapping[str, np.ndarray]]
"""Images as `read` returns them -> arrays with one row per image, by name."""


@dataclass(frozen=True)
class ImageRows:
    """Arrays that are read from disk when they are indexed.

    Attributes:
        arrays: memory maps [N, ...] by name; the rows of broken images are zero.
        rows: the row of each readable image, by path.
        broken: the reason why an image is left out, by path.
    """

    arrays: dict[str, np.ndarray]
    rows: dict[Path, int]
    broken: dict[Path, str]

    def of(self, paths: Sequence[Path], name: str) -> np.ndarray:
        """The rows of these images in one array, [len(paths), ...]."""
        return self.arrays[name][[self.rows[path] for path in paths]]


def image_rows(
    folder: Path,
    identity: Mapping[str, Any],
    images: Sequence[Path],
    shapes: Shapes,
    compute: Compute,
    title: str,
    chunk: int,
    read: Callable[[Path], Any] = read_image,
) -> ImageRows:
    """Reads the arrays of `images` from `folder`, or computes them. An interrupted run continues where it stopped.

    Another list of images, a changed file or another identity recomputes everything.

    Args:
        folder: the cache folder.
        identity: everything that determines the values besides the images, as JSON.
        images: the image files.
        shapes: shape of one row, and dtype, of each array.
        compute: computes the rows of a chunk of images.
        title: title of the progress bar.
        chunk: number of images in memory at once.
        read: reads one file; it raises DataError for a missing or broken file.

    Raises:
        StorageError: the disk has no room for the arrays; existing files stay as they are.
    """
    arrays = {name: ((len(images), *shape), dtype) for name, (shape, dtype) in shapes.items()}
    arrays["faults"] = ((len(images),), "uint8")
    identity = {**identity, "files": [fingerprint(path) for path in images]}

    def compute_rows(rows: range) -> dict[str, np.ndarray]:
        return _compute([images[row] for row in rows], shapes, compute, read)

    stored = cached_rows(folder, identity, arrays, compute_rows, title, chunk)
    faults = dict(zip(images, stored.pop("faults").tolist(), strict=True))
    rows = {path: row for row, path in enumerate(images) if faults[path] == WHOLE}
    return ImageRows(stored, rows, {path: FAULTS[fault] for path, fault in faults.items() if fault != WHOLE})


def report_broken(found: ImageRows, what: str) -> None:
    """Prints how many images are left out, and their paths and reasons."""
    if found.broken:
        listed = "\n".join(f"  {path}: {reason}" for path, reason in found.broken.items())
        count = len(found.broken) + len(found.rows)
        console.print(f"Left out {len(found.broken)} of {count} {what}:\n{listed}", soft_wrap=True)


def _compute(paths: list[Path], shapes: Shapes, compute: Compute, read: Callable[[Path], Any]) -> dict[str, np.ndarray]:
    """The rows of these images in all arrays; the rows of unreadable images are zero."""
    with ThreadPoolExecutor() as pool:
        images, faults = zip(*pool.map(lambda path: _read(path, read), paths), strict=True)
    faults = np.array(faults, np.uint8)
    arrays = {name: np.zeros((len(paths), *shape), dtype) for name, (shape, dtype) in shapes.items()}
    whole = np.flatnonzero(faults == WHOLE)
    if len(whole):
        with np.errstate(over="ignore"):
            for name, values in compute([images[row] for row in whole]).items():
                arrays[name][whole] = values
    for values in arrays.values():
        faults[~np.isfinite(values.reshape(len(paths), -1)).all(1)] = NOT_FINITE
    return {**arrays, "faults": faults}


def _read(path: Path, read: Callable[[Path], Any]) -> tuple[Any, int]:
    """An image and the number of its fault; the image is None if it cannot be read."""
    try:
        return read(path), WHOLE
    except DataError:
        return None, BROKEN if path.exists() else MISSING
