"""Keeps stylised images in a folder, each whole or not at all: an interrupted run continues with the missing ones.

    <folder>/<style>/<photo>.png    the middle square of a photo in a style
    <folder>/made_with.json         what made the images

The folder has the layout that `FolderStylist` reads.
"""

import json
from pathlib import Path
from typing import Any

from PIL import Image

from ...errors import DataError
from ...storage.image_reader import read_image
from ...storage.text_reader import read_text
from ...storage.whole_file import whole_file
from ..segmentation import ChosenObject, SegmentedPhoto
from .styles import GroundedStyle
from .stylists import Stylist

MADE_WITH = "made_with.json"


class KeptImages:
    """A stylist that makes each image once.

    Args:
        stylist: makes the images.
        folder: keeps them.
        settings: what changes the images, in addition to the stylist's settings.

    Raises:
        DataError: the folder holds images that were made in another way.
    """

    def __init__(self, stylist: Stylist, folder: Path, settings: dict[str, Any]) -> None:
        self._stylist, self._folder = stylist, folder
        self.settings = {**stylist.settings, **settings}
        record, text = folder / MADE_WITH, json.dumps(self.settings, indent=2, ensure_ascii=False, default=str)
        if not record.exists() and folder.exists() and any(folder.iterdir()):
            raise DataError(f"{folder} holds other files, expected images of an earlier run: give another --keep.")
        if record.exists() and read_text(record) != text:
            raise DataError(
                f"The images in {folder} were made with other settings ({record.name} names them): remove the folder, "
                "or give another --keep."
            )
        if not record.exists():
            with whole_file(record) as partial:
                partial.write_text(text, encoding="utf-8")

    def __call__(self, photo: SegmentedPhoto, chosen: ChosenObject, style: GroundedStyle) -> Image.Image:
        path = self._folder / style.folder / f"{photo.name}.png"
        if not path.is_file():
            image = self._stylist(photo, chosen, style).convert("RGB")
            with whole_file(path) as partial:
                image.save(partial, format="PNG", compress_level=3)
        return read_image(path)
