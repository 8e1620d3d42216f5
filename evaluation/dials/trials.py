"""The trials of the dials: photos and style images that no training has seen."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ...dataset.photos import load_photos
from ...dataset.scenes import IMAGE_SIDE
from ...dataset.teacher import STYLE_NAMES, TEST_STYLES, stylise
from ...errors import TrainingError
from ..generated_images import save_image


@dataclass(frozen=True)
class DialTrial:
    """A photo and a style image of 256 x 256, as files. The style image shows another photo."""

    photo: Path
    style: Path

    @property
    def name(self) -> str:
        """The names of both images."""
        return f"{self.style.stem}_{self.photo.stem}"


def choose_trials(folder: Path, photos: int, styles: int) -> list[DialTrial]:
    """Write the images and return every style on every photo, style by style.

    Raises:
        TrainingError: there are not so many unseen photos or styles.
    """
    shown, *contents = load_photos("test")
    for name, wanted, present in (("photos", photos, len(contents)), ("styles", styles, len(TEST_STYLES))):
        if wanted > present:
            raise TrainingError(f"{name} is {wanted}, but only {present} are unseen: give a number up to {present}")
    pixels = shown.square(IMAGE_SIDE)
    photo_files = [_written(photo.square(IMAGE_SIDE), folder / f"{photo.name}.png") for photo in contents[:photos]]
    style_files = [
        _written(stylise(pixels, style), folder / f"{STYLE_NAMES[style].replace(' ', '_')}.png")
        for style in TEST_STYLES[:styles]
    ]
    return [DialTrial(photo, style) for style in style_files for photo in photo_files]


def _written(pixels: np.ndarray, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_image(Image.fromarray(pixels), path)
    return path
