"""Contact sheets: images and names at their places, in the format of the file's name."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from styleroute.errors import StorageError
from styleroute.storage.contact_sheet import GAP, LABEL, TEXT, contact_sheet, require_sheet_format, write_sheet

RED, BLUE = (np.full((256, 256, 3), colour, dtype=np.uint8) for colour in ((255, 0, 0), (0, 0, 255)))


def test_images_and_names_are_at_their_places(tmp_path: Path) -> None:
    rows, columns, names = [[None, RED], [BLUE, RED]], ["style image", "cat"], ["photo", "autumn oil"]
    sheet = contact_sheet(rows, columns, names)
    top = 2 * GAP + TEXT
    assert sheet.size == (LABEL + 2 * (256 + GAP), top + 2 * (256 + GAP))
    assert sheet.getpixel((LABEL + 5, top + 5)) == (255, 255, 255)
    assert sheet.getpixel((LABEL + 256 + GAP + 5, top + 5)) == (255, 0, 0)
    assert sheet.getpixel((LABEL + 5, top + 256 + GAP + 5)) == (0, 0, 255)
    ink = np.asarray(sheet.convert("L")) < 60  # blue is 29, but lies elsewhere
    assert ink[:top, LABEL : LABEL + 256].any()  # the column's name
    assert ink[top + 256 + GAP :, :LABEL].any()  # the row's name
    assert Image.open(write_sheet(rows, tmp_path / "new" / "sheet.jpg", columns, names)).format == "JPEG"


def test_images_without_names_touch(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 5, 3), dtype=np.uint8)
    path = write_sheet(list((values / 255).astype(np.float32)), tmp_path / "sheet.png")
    expected = np.concatenate([np.concatenate(list(row), axis=1) for row in values])
    assert np.array_equal(np.asarray(Image.open(path)), expected)


def test_images_of_different_sizes_do_not_overlap() -> None:
    colours = {"content": "red", "style": "lime", "result": "blue"}
    images = [Image.new("RGBA", (40 + number, 64), colour) for number, colour in enumerate(colours.values())]
    sheet = contact_sheet([images], list(colours))
    count = {colour: number for number, colour in sheet.getcolors(maxcolors=10_000)}
    assert [count[colour] for colour in ((255, 0, 0), (0, 255, 0), (0, 0, 255))] == [40 * 64, 41 * 64, 42 * 64]


def test_a_name_that_is_too_long_is_written_smaller() -> None:
    sheet = contact_sheet([[BLUE]], ["01_get_started_text_to_image_and_more_of_it"], ["a"])
    ink = np.asarray(sheet.convert("L"))[: GAP + TEXT] < 128
    columns = np.flatnonzero(ink.any(axis=0))
    assert columns.min() >= LABEL
    assert columns.max() < LABEL + 256


def test_another_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"ends in \.jpg"):
        require_sheet_format(tmp_path / "sheet.gif")
    with pytest.raises(StorageError, match=r"ends in \.jpg"):
        write_sheet([[RED]], tmp_path / "sheet.gif")
