"""The vision model's states of every image, computed once and kept on disk."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL.Image import Image

from ...storage.image_rows import ImageRows, image_rows
from .vision import Vision

_CHUNK = 32
"""Images that the vision model sees at once."""


def stored_layers(taps: tuple[int, ...]) -> tuple[int, ...]:
    """The order in which tapped layers are stored, as `StyleEncoder` reads them."""
    # As many layers as the lowest tap counts are taken for all of them, in the model's own order.
    return tuple(sorted(taps)) if len(taps) == -min(taps) else taps


def cached_states(folder: Path, images: Sequence[Path], vision: Vision, layers: tuple[int, ...]) -> ImageRows:
    """The arrays "states", float16 [N, L, T, D], and "pooled", the vision model's own vectors, float32 [N, D].

    They are read from `folder` where they are there, else made; an interrupted run goes on. A changed list of
    images, changed files, another vision model or other layers make everything anew.

    Raises:
        TrainingError: the disk has no room for them; what was there stays.
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
