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


def open_image(path: Path) -> np.ndarray:
    """The middle square of an image file, [S, S, 3] uint8.

    Raises:
        DataError: the file cannot be read as an image.
    """
    return np.array(fit_square(read_image(path)))


def open_pixels(path: Path) -> Tensor:
    """The middle square of an image file, [1, 3, S, S] in 0..1.

    Raises:
        DataError: the file cannot be read as an image.
    """
    return to_tensor(open_image(path))[None]


def fit_square(image: Image.Image) -> Image.Image:
    """The middle square of an image, scaled to the size of the small Kontext."""
    return ImageOps.fit(image, (IMAGE_SIDE, IMAGE_SIDE), Image.Resampling.LANCZOS)


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
