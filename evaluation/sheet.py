"""Images in rows and columns with their names, for a README."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..errors import TrainingError
from ..storage.whole_file import whole_file
from .images import SIDE

GAP, TEXT, LABEL = 8, 22, 150
"""Pixels between images, of the letters, and of the column of names."""
FORMATS = (".jpg", ".jpeg", ".png")


def require_format(path: Path) -> None:
    """Refuse a file name of another kind, before any image is painted.

    Raises:
        TrainingError: it is none that is written.
    """
    if path.suffix.lower() not in FORMATS:
        raise TrainingError(f"the sheet is {path}, expected a name that ends in {', '.join(FORMATS)}: give another one")


def labelled_sheet(columns: Sequence[str], rows: Mapping[str, Sequence[np.ndarray | None]]) -> Image.Image:
    """Images [256, 256, 3] uint8 under the names of their columns, beside those of their rows; None stays empty."""
    top = 2 * GAP + TEXT
    width, height = LABEL + len(columns) * (SIDE + GAP), top + len(rows) * (SIDE + GAP)
    sheet = Image.new("RGB", (width, height), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(TEXT)
    for number, name in enumerate(columns):
        _write(draw, (LABEL + number * (SIDE + GAP) + SIDE // 2, top // 2), name, font, SIDE)
    for line, (name, images) in enumerate(rows.items()):
        y = top + line * (SIDE + GAP)
        _write(draw, (LABEL // 2, y + SIDE // 2), name.replace(" ", "\n"), font, LABEL)
        for number, image in enumerate(images):
            if image is not None:
                sheet.paste(Image.fromarray(image), (LABEL + number * (SIDE + GAP), y))
    return sheet


def save_sheet(sheet: Image.Image, path: Path) -> Path:
    """As JPEG or PNG, by the name's ending."""
    with whole_file(path) as partial:
        if path.suffix.lower() == ".png":
            sheet.save(partial, format="PNG")
        else:
            sheet.save(partial, format="JPEG", quality=88, subsampling=0)
    return path


def _write(draw: ImageDraw.ImageDraw, middle: tuple[int, int], text: str, font: ImageFont.ImageFont, room: int) -> None:
    """Text around its middle, in smaller letters where it would not fit."""
    while draw.multiline_textbbox((0, 0), text, font)[2] > room - 4 and font.size > 8:
        font = font.font_variant(size=font.size - 1)
    draw.multiline_text(middle, text, "black", font, anchor="mm", align="center")
