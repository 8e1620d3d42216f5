"""Contact sheets: images in rows and columns, with optional names, in one PNG or JPEG file."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..errors import StorageError
from .whole_file import whole_file

GAP, TEXT, LABEL = 8, 22, 150
"""In pixels: the gap between images, the height of letters, the width of the column of row names."""
FORMATS = (".jpg", ".jpeg", ".png")

Tile = Image.Image | np.ndarray
"""An image: Pillow's, or an array [H, W, 3], uint8 or floats in 0..1."""


def require_sheet_format(path: Path) -> None:
    """Checks the ending of a sheet's file name.

    Raises:
        StorageError: no sheet can be written in this format.
    """
    if path.suffix.lower() not in FORMATS:
        raise StorageError(
            f"the contact sheet is {path}, expected a name that ends in {', '.join(FORMATS)}. Give another name."
        )


def write_sheet(
    rows: Iterable[Iterable[Tile | None]],
    path: Path,
    columns: Sequence[str] = (),
    row_names: Iterable[str] = (),
) -> Path:
    """Writes a contact sheet as JPEG or PNG, by the name's ending; returns the path.

    Raises:
        StorageError: the file cannot be written, or has another ending.
    """
    require_sheet_format(path)
    sheet = contact_sheet(rows, columns, row_names)
    with whole_file(path) as partial:
        if path.suffix.lower() == ".png":
            sheet.save(partial, format="PNG")
        else:
            sheet.save(partial, format="JPEG", quality=88, subsampling=0)
    return path


def contact_sheet(
    rows: Iterable[Iterable[Tile | None]], columns: Sequence[str] = (), row_names: Iterable[str] = ()
) -> Image.Image:
    """Arranges images in a grid on white; each column is as wide, and each row as high, as its largest image.

    Args:
        rows: the images of each row; None leaves a place empty.
        columns: names above the columns.
        row_names: names to the left of the rows. Without any names, the images touch each other.
    """
    grid, names = [[None if tile is None else _image(tile) for tile in row] for row in rows], list(row_names)
    gap = GAP if columns or names else 0
    left, top = LABEL if names else gap, 2 * GAP + TEXT if columns else gap
    widths = [max((image.width for image in column if image), default=0) for column in zip(*grid, strict=True)]
    heights = [max((image.height for image in row if image), default=0) for row in grid]
    lefts, tops = _starts(left, widths, gap), _starts(top, heights, gap)
    sheet = Image.new("RGB", (lefts.pop(), tops.pop()), "white")
    for row, y in zip(grid, tops, strict=True):
        for image, x in zip(row, lefts, strict=True):
            if image:
                sheet.paste(image, (x, y))
    draw = ImageDraw.Draw(sheet)
    for name, x, width in zip(columns, lefts, widths, strict=False):
        _write(draw, (x + width // 2, top // 2), name, width)
    for name, y, height in zip(names, tops, heights, strict=False):
        _write(draw, (LABEL // 2, y + height // 2), name.replace(" ", "\n"), LABEL)
    return sheet


def _image(tile: Tile) -> Image.Image:
    if isinstance(tile, Image.Image):
        return tile.convert("RGB")
    return Image.fromarray(tile if tile.dtype == np.uint8 else (tile.clip(0, 1) * 255).round().astype(np.uint8))


def _starts(first: int, sizes: Sequence[int], gap: int) -> list[int]:
    """The start of each image along one side, and the length of the side."""
    return np.cumsum([first, *(size + gap for size in sizes)]).tolist()


def _write(draw: ImageDraw.ImageDraw, middle: tuple[int, int], text: str, room: int) -> None:
    """Writes text around its middle, in smaller letters if it is wider than `room` pixels."""
    font = ImageFont.load_default(TEXT)
    while draw.multiline_textbbox((0, 0), text, font)[2] > room - 4 and font.size > 8:
        font = font.font_variant(size=font.size - 1)
    draw.multiline_text(middle, text, "black", font, anchor="mm", align="center")
