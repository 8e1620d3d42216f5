"""Pictures of the demo: opened, brought to the small Kontext's size, and side by side."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageOps

from ..errors import DataError

SIDE, MARGIN, CAPTION = 256, 16, 24


def contact_sheet(pictures: dict[str, Image.Image]) -> Image.Image:
    """The pictures side by side at one height, each with its name below."""
    shown = {name: ImageOps.contain(picture.convert("RGB"), (4 * SIDE, SIDE)) for name, picture in pictures.items()}
    width = sum(picture.width + MARGIN for picture in shown.values()) + MARGIN
    sheet = Image.new("RGB", (width, SIDE + 2 * MARGIN + CAPTION), "white")
    draw, left = ImageDraw.Draw(sheet), MARGIN
    for name, picture in shown.items():
        sheet.paste(picture, (left, MARGIN + (SIDE - picture.height) // 2))
        draw.text((left, MARGIN + SIDE + 8), name, fill="black")
        left += picture.width + MARGIN
    return sheet


def open_picture(path: Path) -> Image.Image:
    """Upright, in RGB.

    Raises:
        DataError: there is none, or it is none.
    """
    if not path.is_file():
        raise DataError(f"There is no picture {path}.")
    try:
        return ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    except OSError as error:
        raise DataError(f"{path} is no picture that can be opened ({error}); give a PNG or JPEG file.") from error


def square(picture: Image.Image) -> Image.Image:
    """The middle, [256, 256]."""
    return ImageOps.fit(picture, (SIDE, SIDE), Image.Resampling.LANCZOS)


def cat_photo() -> Image.Image:
    """scikit-image's cat."""
    from skimage import data

    return Image.fromarray(np.asarray(data.chelsea()))
