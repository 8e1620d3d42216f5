"""The states of the vision model for every image: computed once and cached on disk, or computed when they are read."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL.Image import Image

from ...storage.image_reader import read_image
from ...storage.image_rows import ImageRows, image_rows
from .vision import Vision

_CHUNK = 32
"""Number of images in one batch of the vision model."""


def stored_layers(taps: tuple[int, ...]) -> tuple[int, ...]:
    """Returns the tapped layers in the order in which `StyleEncoder` reads their states."""
    # If the taps are all of the last layers, `StyleEncoder` reads them in the order of the model.
    return tuple(sorted(taps)) if len(taps) == -min(taps) else taps


def cached_states(folder: Path, images: Sequence[Path], vision: Vision, layers: tuple[int, ...]) -> ImageRows:
    """Reads or computes the arrays "states", float16 [N, L, T, D], and "pooled" vectors, float32 [N, D].

    An interrupted computation continues. Another list of images, a changed file, another vision model or other
    layers recompute everything.

    Raises:
        StorageError: the disk has no room for the arrays; existing files stay as they are.
    """
    shapes = {
        "states": ((len(layers), vision.num_tokens, vision.hidden_size), "float16"),
        "pooled": ((vision.hidden_size,), "float32"),
    }
    identity = {"vision": vision.identity, "layers": layers}

    def read(found: list[Image]) -> dict[str, np.ndarray]:
        output = vision.read(found, layers)
        return {"states": output.states.half().numpy(), "pooled": output.pooled.numpy()}

    return image_rows(folder, identity, images, shapes, read, "vision states", _CHUNK)


@dataclass(frozen=True)
class ComputedStates(ImageRows):
    """Computes the arrays of `cached_states` when they are read, so that no cache is needed.

    Attributes:
        vision: the vision model.
        layers: the layers whose states are read.
    """

    vision: Vision
    layers: tuple[int, ...]

    def of(self, paths: Sequence[Path], name: str) -> np.ndarray:
        """The rows of these images. An image that occurs several times is read once."""
        distinct = list(dict.fromkeys(paths))
        parts = [self._read(distinct[start : start + _CHUNK])[name] for start in range(0, len(distinct), _CHUNK)]
        places = {path: place for place, path in enumerate(distinct)}
        return np.concatenate(parts)[[places[path] for path in paths]]

    def _read(self, paths: Sequence[Path]) -> dict[str, np.ndarray]:
        with ThreadPoolExecutor() as pool:
            output = self.vision.read(list(pool.map(read_image, paths)), self.layers)
        return {"states": output.states.half().numpy(), "pooled": output.pooled.numpy()}


def computed_states(folder: Path, images: Sequence[Path], vision: Vision, layers: tuple[int, ...]) -> ComputedStates:
    """The states of images as they are read. The first call opens every image once to find the broken ones.

    Raises:
        StorageError: the disk has no room for a byte per image.
    """
    checked = image_rows(folder, {"images": "whole"}, images, {}, lambda found: {}, "images", _CHUNK)
    return ComputedStates(checked.arrays, checked.rows, checked.broken, vision, layers)
