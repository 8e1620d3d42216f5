"""Images as the small Kontext and all metrics get them: the middle square, 8 bits per channel."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from torch import Tensor
from torchvision.transforms.functional import to_tensor

from ..dataset.scenes import IMAGE_SIDE
from ..dataset.triplets import Triplet
from ..errors import DataError, TrainingError
from ..progress import console
from ..storage.image_reader import read_image

LEAST_SIDE = 256
"""Smallest side in pixels at which a dataset's images are evaluated; MS-SSIM needs more than 160."""
MULTIPLE = 16
"""Sides of images are multiples of this number of pixels, the size of an image token."""


def open_image(path: Path, side: int = IMAGE_SIDE) -> np.ndarray:
    """The middle square of an image file, scaled to [side, side, 3] uint8.

    Raises:
        DataError: the file cannot be read as an image.
    """
    return np.array(fit_square(read_image(path), side))


def open_pixels(path: Path, side: int = IMAGE_SIDE) -> Tensor:
    """The middle square of an image file, scaled to [1, 3, side, side] in 0..1.

    Raises:
        DataError: the file cannot be read as an image.
    """
    return to_tensor(open_image(path, side))[None]


def fit_square(image: Image.Image, side: int = IMAGE_SIDE) -> Image.Image:
    """The middle square of an image, scaled to side x side."""
    return ImageOps.fit(image, (side, side), Image.Resampling.LANCZOS)


def middle_square(image: Image.Image) -> Image.Image:
    """The middle square of an image, at its own size."""
    return fit_square(image, min(image.size))


def square_side(path: Path) -> int:
    """The side in pixels at which a dataset's images are evaluated, from one of them.

    It is the shorter side of the image, rounded down to whole tokens. Smaller images are evaluated at 256 pixels.

    Raises:
        DataError: the file cannot be read as an image.
    """
    return max(LEAST_SIDE, min(read_image(path).size) // MULTIPLE * MULTIPLE)


def readable(triplets: Sequence[Triplet]) -> list[Triplet]:
    """The triplets whose three images can be read; prints the number of the others and the broken files.

    Raises:
        TrainingError: no triplet is left.
    """
    paths = sorted({path for row in triplets for path in _images(row)})
    broken = {path for path in paths if not _is_readable(path)}
    whole = [row for row in triplets if not broken.intersection(_images(row))]
    if not whole:
        raise TrainingError(
            f"all {len(triplets)} test triplets have broken images, expected one whole triplet: make the dataset again"
        )
    if broken:
        listed = "\n".join(f"  {path}" for path in sorted(broken))
        console.print(
            f"Left out {len(triplets) - len(whole)} triplets with {len(broken)} broken images:\n{listed}",
            soft_wrap=True,
        )
    return whole


def _images(row: Triplet) -> tuple[Path, Path, Path]:
    return row.content, row.reference, row.stylised


def _is_readable(path: Path) -> bool:
    try:
        open_image(path)
    except DataError:
        return False
    return True
