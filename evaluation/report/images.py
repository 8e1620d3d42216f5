"""Small copies of images inside the page, and the images with the best and worst scores."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from PIL import Image

from ...errors import DataError
from ...storage.image_reader import read_image
from ..method_scores import MetricColumn
from .rows import ScoredImage

SIDE = 224
"""Longer side of a small image, in pixels: sharp at its size on a phone."""
SHEET_SIDE = 1400
"""Longer side of a sheet of images, in pixels."""
QUALITY = 82
"""JPEG quality."""


@dataclass(frozen=True)
class Extremes:
    """The images with the best and the worst values of one metric, from the best and from the worst on."""

    best: list[ScoredImage]
    worst: list[ScoredImage]


def extremes(images: Sequence[ScoredImage], column: MetricColumn, count: int) -> Extremes:
    """The best and worst images among those with a file and a value. No image is in both lists."""
    shown = [image for image in images if column.key in image.values and image.file is not None]
    ordered = sorted(shown, key=lambda image: image.values[column.key], reverse=not column.lower_is_better)
    best = ordered[: min(count, (len(ordered) + 1) // 2)]
    worst = ordered[len(best) :][-count:] if count else []
    return Extremes(best, worst[::-1])


@lru_cache(maxsize=4096)
def data_uri(path: Path, side: int = SIDE) -> str | None:
    """A small JPEG of an image file as the address of an image; None if the file is missing or no image."""
    try:
        image = read_image(path)
    except DataError:
        return None
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=QUALITY, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
