"""Checks and cuts lists of images [H, W, 3] uint8 for metric models."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from ...errors import DataError

BATCH_SIZE = 16
"""Images that a network reads at once."""


def require_images(*lists: Sequence[Any]) -> None:
    """Check lists of images that belong together.

    Raises:
        DataError: the lists differ in length, or an image is not [H, W, 3] uint8.
    """
    require_equal_lengths(*lists)
    for image in (image for images in lists for image in images):
        if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            found = f"{image.dtype} {list(image.shape)}" if isinstance(image, np.ndarray) else type(image).__name__
            raise DataError(f"Found an image of {found}, expected uint8 [height, width, 3]: convert it to 8-bit RGB.")


def require_equal_lengths(*lists: Sequence[Any]) -> None:
    """Check that lists have one entry per image.

    Raises:
        DataError: the lists differ in length.
    """
    if len(lengths := {len(entries) for entries in lists}) > 1:
        raise DataError(
            f"Found lists of {' and '.join(str(length) for length in sorted(lengths))} entries, expected one entry for "
            "each image: give lists of equal length."
        )


def batches(images: Sequence[Any], size: int = BATCH_SIZE) -> Iterator[Sequence[Any]]:
    """The images in order, `size` at once."""
    for start in range(0, len(images), size):
        yield images[start : start + size]


def pil_images(images: Sequence[np.ndarray]) -> list[Image.Image]:
    """The images as Pillow images in RGB."""
    return [Image.fromarray(image) for image in images]


def unit_vectors(vectors: Sequence[Tensor]) -> Tensor:
    """Joined batches of vectors [n, D] as unit vectors [N, D], float32 on the CPU; [0, 0] without batches."""
    joined = torch.cat([batch.float().cpu() for batch in vectors]) if vectors else torch.zeros(0, 0)
    return functional.normalize(joined, dim=-1)


def cosines(first: Tensor, second: Tensor) -> np.ndarray:
    """The cosine [N] of each pair of unit vectors [N, D]."""
    return (first * second).sum(-1).clamp(-1, 1).double().numpy()
