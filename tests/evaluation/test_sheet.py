import numpy as np
import pytest
from PIL import Image
from styleroute.errors import TrainingError
from styleroute.evaluation.sheet import GAP, LABEL, TEXT, labelled_sheet, require_format, save_sheet

RED, BLUE = (np.full((256, 256, 3), colour, dtype=np.uint8) for colour in ((255, 0, 0), (0, 0, 255)))


def test_images_stand_in_their_places_with_names_beside_them(tmp_path) -> None:
    sheet = labelled_sheet(["style image", "cat"], {"photo": [None, RED], "autumn oil": [BLUE, RED]})
    top = 2 * GAP + TEXT
    assert sheet.getpixel((LABEL + 5, top + 5)) == (255, 255, 255)
    assert sheet.getpixel((LABEL + 256 + GAP + 5, top + 5)) == (255, 0, 0)
    assert sheet.getpixel((LABEL + 5, top + 256 + GAP + 5)) == (0, 0, 255)
    ink = np.asarray(sheet.convert("L")) < 128
    assert ink[:top, LABEL : LABEL + 256].any()  # the column's name
    assert ink[top + 256 + GAP :, :LABEL].any()  # the row's name
    assert Image.open(save_sheet(sheet, tmp_path / "new" / "sheet.jpg")).format == "JPEG"


def test_a_name_that_is_too_long_is_written_smaller() -> None:
    sheet = labelled_sheet(["01_get_started_text_to_image_and_more_of_it"], {"a": [BLUE]})
    ink = np.asarray(sheet.convert("L"))[: GAP + TEXT] < 128
    columns = np.flatnonzero(ink.any(axis=0))
    assert columns.min() >= LABEL
    assert columns.max() < LABEL + 256


def test_a_sheet_of_another_format_is_refused(tmp_path) -> None:
    with pytest.raises(TrainingError, match=r"ends in \.jpg"):
        require_format(tmp_path / "sheet.gif")
