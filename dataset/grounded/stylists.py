"""Stylists: what stylises a whole photo before only its object is kept. Here: images from a folder, and the teacher."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from PIL import Image

from ...errors import DataError
from ...storage.image_reader import image_size, read_image
from ..segmentation import ChosenObject, SegmentedPhoto
from ..teacher import STYLE_NAMES, stylise
from ..user_folder import SHAPE_TOLERANCE, SUFFIXES
from .styles import GroundedStyle, parse_styles


class Stylist(Protocol):
    """Stylises whole photos.

    Attributes:
        settings: everything that changes its images, for the record.
    """

    settings: dict[str, Any]

    def __call__(self, photo: SegmentedPhoto, chosen: ChosenObject, style: GroundedStyle) -> Image.Image:
        """The whole photo in a style, of any size with the shape of the photo or of its middle square.

        Raises:
            DataError: this image cannot be stylised; others may be.
        """
        ...


class StylistFailure(DataError):
    """One image could not be stylised. The other images may succeed."""


class ImageNotGiven(StylistFailure):
    """The folder has no image of this photo in a style. This says nothing about the next photo."""


class FolderStylist:
    """Takes images that another program stylised: <folder>/<style>/<photo>.png (or .jpg, .webp).

    Args:
        folder: the folder with a folder for each style.
        styles: the wanted styles; empty for all folders.

    Raises:
        DataError: the folder or a style's folder is missing.
    """

    def __init__(self, folder: Path, styles: Sequence[GroundedStyle]) -> None:
        found = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
        self._folder, self.settings = folder, {"images": folder.name}
        self.styles = list(styles) or parse_styles([name for name in found if not name.startswith(".")])
        missing = [style.name for style in self.styles if self._of(style) is None]
        if missing or not self.styles:
            raise DataError(
                f"{folder} has {', '.join(found) or 'no folder'}, expected a folder of images for each style"
                f"{f' ({missing[0]} is missing)' if missing else ''}: give another folder, or other --styles."
            )

    def has(self, photo: SegmentedPhoto) -> bool:
        """Whether a style has an image of this photo."""
        return any(_image_of(self._of(style) or self._folder, photo) for style in self.styles)

    def __call__(self, photo: SegmentedPhoto, chosen: ChosenObject, style: GroundedStyle) -> Image.Image:
        folder = self._of(style) or self._folder
        path = _image_of(folder, photo)
        if path is None:
            raise ImageNotGiven(f"no image in the folder {folder.name}")
        try:
            image = read_image(path)
        except DataError as error:
            raise StylistFailure("its stylised image is broken, or no image") from error
        width, height = image_size(photo.path) or (1, 1)
        aspect = image.width / image.height
        if min(abs(aspect - 1), abs(aspect * height / width - 1)) > SHAPE_TOLERANCE:
            raise StylistFailure("its stylised image has another shape than the photo")
        return image

    def _of(self, style: GroundedStyle) -> Path | None:
        names = (style.name, style.folder)
        return next((self._folder / name for name in names if (self._folder / name).is_dir()), None)


def _image_of(folder: Path, photo: SegmentedPhoto) -> Path | None:
    paths = (folder / f"{photo.name}{suffix}" for suffix in SUFFIXES)
    return next((path for path in paths if path.is_file()), None)


class TeacherStylist:
    """The painting teacher with 26 styles, which needs no model of the user.

    Args:
        styles: names of the teacher's styles.

    Raises:
        DataError: the teacher does not have a style.
    """

    def __init__(self, styles: Sequence[GroundedStyle]) -> None:
        self.settings = {"teacher": "multistyle26"}
        for style in styles:
            if style.name not in STYLE_NAMES:
                raise DataError(f"The teacher has no style {style.name!r}, only {', '.join(STYLE_NAMES)}: choose one.")

    def __call__(self, photo: SegmentedPhoto, chosen: ChosenObject, style: GroundedStyle) -> Image.Image:
        return Image.fromarray(stylise(chosen.image, STYLE_NAMES.index(style.name)))
