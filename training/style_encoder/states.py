"""The vision model's states of every picture, computed once and kept on disk."""

import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps
from rich.progress import track as track_all

from ..disk import require_room
from ..progress import console
from .vision import Vision

FORMAT = 1
STATES_FILE, POOLED_FILE = "states.npy", "pooled.npy"
INDEX_FILE, PROGRESS_FILE = "index.json", "progress.json"
_CHUNK, _SAVE_EVERY = 32, 16
"""Pictures that the vision model sees at once; chunks between two notes of how far it is."""
_UNREADABLE = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)
"""What Pillow raises for a file that is missing, broken or no picture."""


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
    cache = _Cache(folder, pictures, vision, layers)
    if not cache.fits():
        cache.start()
    cache.fill()
    return cache.opened()


class _Cache:
    def __init__(self, folder: Path, pictures: Sequence[Path], vision: Vision, layers: tuple[int, ...]) -> None:
        self._folder, self._pictures, self._vision, self._layers = folder, list(pictures), vision, layers
        self._shapes = {
            STATES_FILE: ((len(pictures), len(layers), vision.num_tokens, vision.hidden_size), np.float16),
            POOLED_FILE: ((len(pictures), vision.hidden_size), np.float32),
        }
        self._index = {
            "format": FORMAT,
            "vision": vision.identity,
            "layers": list(layers),
            "files": [[str(path), *_fingerprint(path)] for path in pictures],
        }
        self._done, self._broken = 0, {}

    def fits(self) -> bool:
        """Whether the folder holds states of just these pictures, all or some of them; takes its progress then."""
        try:
            progress = json.loads((self._folder / PROGRESS_FILE).read_text())
            same = json.loads((self._folder / INDEX_FILE).read_text()) == self._index
            same = same and all(self._map(name, "r").shape == shape for name, (shape, _) in self._shapes.items())
        except (OSError, ValueError):
            return False
        self._done, self._broken = progress["done"], progress["broken"]
        return same

    def start(self) -> None:
        """Makes the files at their full size, in the place of those of another cache."""
        self._done, self._broken = 0, {}
        names = (INDEX_FILE, PROGRESS_FILE, *self._shapes)
        old = [self._folder / name for name in names if (self._folder / name).exists()]
        needed = sum(int(np.prod(shape)) * np.dtype(dtype).itemsize for shape, dtype in self._shapes.values())
        require_room(self._folder, needed - sum(path.stat().st_size for path in old), "The vision model's states")
        for path in old:
            path.unlink()
        self._folder.mkdir(parents=True, exist_ok=True)
        for name, (shape, dtype) in self._shapes.items():
            np.lib.format.open_memmap(self._folder / name, "w+", dtype, shape)
            _take_room(self._folder / name)
        _write(self._folder / PROGRESS_FILE, {"done": 0, "broken": {}})
        # Last: where it is, the others are.
        _write(self._folder / INDEX_FILE, self._index)

    def fill(self) -> None:
        """Computes what is still missing; broken pictures are noted, and their rows stay zero."""
        total = len(self._pictures)
        if self._done == total:
            return
        starts = range(self._done, total, _CHUNK)
        maps = self._map(STATES_FILE, "r+"), self._map(POOLED_FILE, "r+")
        bar = track_all(starts, "vision states", console=console, disable=not console.is_terminal)
        try:
            for number, start in enumerate(bar, 1):
                self._fill_chunk(start, *maps)
                self._done = min(start + _CHUNK, total)
                if number % _SAVE_EVERY == 0:
                    self._flush(maps)
        finally:
            self._flush(maps)

    def opened(self) -> CachedStates:
        """The finished cache."""
        broken = {Path(path): reason for path, reason in self._broken.items()}
        rows = {path: row for row, path in enumerate(self._pictures) if path not in broken}
        return CachedStates(self._map(STATES_FILE, "r"), self._map(POOLED_FILE, "r"), rows, broken)

    def _fill_chunk(self, start: int, states: np.memmap, pooled: np.memmap) -> None:
        paths = self._pictures[start : start + _CHUNK]
        with ThreadPoolExecutor() as pool:
            read = dict(zip(paths, pool.map(_read, paths), strict=True))
        self._broken |= {str(path): found for path, found in read.items() if isinstance(found, str)}
        whole = {path: found for path, found in read.items() if not isinstance(found, str)}
        if not whole:
            return
        rows = [start + paths.index(path) for path in whole]
        output = self._vision.read(list(whole.values()), self._layers)
        states[rows], pooled[rows] = output.states.half().numpy(), output.pooled.numpy()
        for path, row in zip(whole, rows, strict=True):
            if not (np.isfinite(states[row]).all() and np.isfinite(pooled[row]).all()):
                self._broken[str(path)] = "the vision model's states of it are NaN or beyond float16"

    def _flush(self, maps: tuple[np.memmap, ...]) -> None:
        """First the numbers, then the note that they are there."""
        for part in maps:
            part.flush()
        _write(self._folder / PROGRESS_FILE, {"done": self._done, "broken": self._broken})

    def _map(self, name: str, mode: str) -> np.memmap:
        return np.load(self._folder / name, mmap_mode=mode)


def _read(path: Path) -> Image.Image | str:
    """A picture, or why it cannot be read."""
    try:
        with Image.open(path) as picture:
            return ImageOps.exif_transpose(picture).convert("RGB")
    except FileNotFoundError:
        return "the file is missing"
    except _UNREADABLE as error:
        return f"it is no whole picture ({str(error).split(chr(10))[0]})"


def _fingerprint(path: Path) -> tuple[int, int]:
    """(bytes, time of its last change); the same for all missing files."""
    try:
        found = path.stat()
    except OSError:
        return -1, -1
    return found.st_size, found.st_mtime_ns


def _take_room(path: Path) -> None:
    """Without this a new memory map is a sparse file, and a disk that fills up would kill the process."""
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def _write(path: Path, value: Any) -> None:
    """Whole or not at all."""
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(json.dumps(value))
    os.replace(partial, path)
