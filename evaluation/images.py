"""Images as the small Kontext and all measures see them: 256 x 256, 8 bit."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from torch import Tensor
from torchvision.transforms.functional import to_tensor

from ..dataset.triplets import Triplet
from ..errors import DataError, TrainingError
from ..progress import console
from ..storage.image_reader import read_image

SIDE = 256
"""The small Kontext's working size, to which the example workflow brings every photo."""


def open_image(path: Path) -> np.ndarray:
    """[256, 256, 3] uint8: the middle, resized where it is of another size."""
    return np.array(ImageOps.fit(read_image(path), (SIDE, SIDE), Image.Resampling.LANCZOS))


def open_pixels(path: Path) -> Tensor:
    """The same as [1, 3, 256, 256] in 0..1."""
    return to_tensor(open_image(path))[None]


def readable(triplets: Sequence[Triplet]) -> list[Triplet]:
    """The triplets whose three images can be opened; the others are counted, and the broken files named.

    Raises:
        TrainingError: none is left.
    """
    paths = sorted({path for row in triplets for path in _images(row)})
    broken = {path for path in paths if not _opens(path)}
    whole = [row for row in triplets if not broken.intersection(_images(row))]
    if not whole:
        raise TrainingError(f"none of the {len(triplets)} test triplets has whole images: make the data set anew")
    if broken:
        listed = "\n".join(f"  {path}" for path in sorted(broken))
        console.print(
            f"Left out {len(triplets) - len(whole)} triplets with {len(broken)} broken images:\n{listed}",
            soft_wrap=True,
        )
    return whole


def _images(row: Triplet) -> tuple[Path, Path, Path]:
    return row.content, row.reference, row.stylised


def _opens(path: Path) -> bool:
    try:
        open_image(path)
    except DataError:
        return False
    return True
