"""Arrays with one row per image or prompt, computed once and kept on disk as memory maps."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..progress import track
from .disk_space import require_room
from .folder_lock import locked
from .whole_file import whole_file

INDEX_FILE, PROGRESS_FILE = "index.json", "progress.json"
SAVE_EVERY = 16
"""Number of chunks between two updates of the progress file."""

Arrays = Mapping[str, tuple[tuple[int, ...], Any]]
"""Shape and dtype of each array, by name."""

Compute = Callable[[range], Mapping[str, np.ndarray]]
"""Row numbers -> the values of these rows, by array name."""


def cached_rows(
    folder: Path,
    identity: Mapping[str, Any],
    arrays: Arrays,
    compute: Compute,
    title: str,
    chunk: int = 16,
) -> dict[str, np.ndarray]:
    """Reads the arrays from ``folder``, or computes the missing rows. An interrupted run continues where it stopped.

    Args:
        folder: the cache folder.
        identity: everything that determines the values, as JSON. Another identity recomputes everything; a run that
            still reads the earlier arrays keeps them.
        arrays: shape and dtype of each array; the first number of the shape is the number of rows.
        compute: computes the given rows.
        title: title of the progress bar.
        chunk: number of rows computed at once.

    Raises:
        StorageError: the disk has no room for the arrays; existing files stay as they are.
    """
    index = json.loads(json.dumps({"identity": identity, "arrays": {k: [s, str(d)] for k, (s, d) in arrays.items()}}))
    # Other runs may fill the same folder: with the lock, the files belong to one identity until they are opened here.
    with locked(folder, f"computes {title}"):
        if _read(folder / INDEX_FILE) != index or not _is_complete(folder, arrays):
            _start(folder, index, arrays, title.capitalize())
        _fill(folder, arrays, compute, title, chunk)
        return {name: np.load(_file(folder, name), mmap_mode="r") for name in arrays}


def _fill(folder: Path, arrays: Arrays, compute: Compute, title: str, chunk: int) -> None:
    """Computes the rows that are missing."""
    count = next(iter(arrays.values()))[0][0]
    done = _read(folder / PROGRESS_FILE)["done"]
    maps = {name: np.load(_file(folder, name), mmap_mode="r+") for name in arrays}
    starts = range(done, count, chunk)
    try:
        for number, start in enumerate(track(starts, title), 1):
            rows = range(start, min(start + chunk, count))
            for name, values in compute(rows).items():
                maps[name][rows.start : rows.stop] = values
            done = rows.stop
            if number % SAVE_EVERY == 0:
                _save_progress(folder, maps, done)
    finally:
        if starts:
            _save_progress(folder, maps, done)


def stored_identity(folder: Path) -> dict[str, Any]:
    """The identity of the arrays in a folder; empty without arrays."""
    index = _read(folder / INDEX_FILE)
    return index.get("identity", {}) if isinstance(index, dict) else {}


def fingerprint(path: Path) -> list[Any]:
    """Name, size in bytes and modification time of a file; size and time are -1 for a missing file."""
    try:
        found = path.stat()
    except OSError:
        return [str(path), -1, -1]
    return [str(path), found.st_size, found.st_mtime_ns]


def _is_complete(folder: Path, arrays: Mapping[str, Any]) -> bool:
    """Whether all files of the cache exist."""
    return _read(folder / PROGRESS_FILE) is not None and all(_file(folder, name).is_file() for name in arrays)


def _start(folder: Path, index: dict[str, Any], arrays: Arrays, what: str) -> None:
    """Creates the files at full size and replaces those of another cache; other files in the folder stay."""
    own = (folder / INDEX_FILE, folder / PROGRESS_FILE, *(_file(folder, name) for name in arrays))
    old = [path for path in own if path.exists()]
    needed = sum(int(np.prod(shape)) * np.dtype(dtype).itemsize for shape, dtype in arrays.values())
    require_room(folder, needed - sum(path.stat().st_size for path in old), what)
    for path in old:
        path.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    for name, (shape, dtype) in arrays.items():
        np.lib.format.open_memmap(_file(folder, name), "w+", dtype, shape)
        _reserve(_file(folder, name))
    _write(folder / PROGRESS_FILE, {"done": 0})
    # Written last: if the index exists, the other files exist too.
    _write(folder / INDEX_FILE, index)


def _save_progress(folder: Path, maps: Mapping[str, np.memmap], done: int) -> None:
    """Writes the values to disk, then the number of finished rows."""
    for array in maps.values():
        array.flush()
    _write(folder / PROGRESS_FILE, {"done": done})


def _reserve(path: Path) -> None:
    """Allocates the file on disk: a new memory map is sparse, and a full disk would kill the process later."""
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def _file(folder: Path, name: str) -> Path:
    return folder / f"{name}.npy"


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


def _write(path: Path, value: Any) -> None:
    with whole_file(path) as partial:
        partial.write_text(json.dumps(value))
