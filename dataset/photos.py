"""Real photos from Python packages. Each photo is in the training split or in the test split, never in both."""

import random
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from ..paths import CACHE
from ..storage.image_reader import is_animated, read_image
from .packages import fetch_wheel

BUNDLE = "comfyui-workflow-templates-media-image==0.3.160"
"""An MIT-licensed package of about 260 images."""

TEST_EVERY = 10
"""Every tenth image of the bundle is a test image, unless the training split shows the same template.
All photos of scikit-image and scikit-learn are test images, too."""

LARGEST_SIDE = 768
"""Shorter side in pixels to which a larger photo is reduced."""

LEAST_SPREAD = 20
"""Least standard deviation of the pixels, in 0..255. An image below it is nearly flat and is left out."""

SCIKIT_PHOTOS = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "motorcycle_left.png")


@dataclass(frozen=True)
class Photo:
    """One photo: ``pixels`` is uint8 [H, W, 3]; the shorter side has at most `LARGEST_SIDE` pixels."""

    name: str
    pixels: np.ndarray

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]

    def square(self, size: int, rng: random.Random | None = None) -> np.ndarray:
        """Returns a square [size, size, 3]: the middle of the photo, or with ``rng`` a random crop and flip."""
        return self.crop((size, size), rng)

    def holds(self, size: tuple[int, int]) -> bool:
        """Whether a crop of this height and width is not enlarged."""
        return all(own >= wanted for own, wanted in zip(self.size, size, strict=True))

    def crop(self, size: tuple[int, int], rng: random.Random | None = None) -> np.ndarray:
        """Returns a crop [H, W, 3]: the middle, as large as it can be, or with ``rng`` a random crop and flip.

        A random crop shows from half the photo to all of it, and is not enlarged by more than 1.5.
        """
        (height, width), (rows, columns) = self.size, size
        largest = min(height / rows, width / columns)
        scale = largest if rng is None else rng.uniform(min(largest, max(2 / 3, largest / 2)), largest)
        shape = min(height, round(rows * scale)), min(width, round(columns * scale))
        top, left = (height - shape[0]) // 2, (width - shape[1]) // 2
        if rng is not None:
            top, left = rng.randint(0, height - shape[0]), rng.randint(0, width - shape[1])
        crop = Image.fromarray(self.pixels[top : top + shape[0], left : left + shape[1]])
        pixels = np.asarray(crop.resize((columns, rows), Image.Resampling.BICUBIC))
        return pixels[:, ::-1].copy() if rng is not None and rng.random() < 0.5 else pixels


def load_photos(split: str, cache_folder: Path = CACHE) -> list[Photo]:
    """Returns the photos of a split, ``"train"`` or ``"test"``. The splits share no photo and no template."""
    bundle = _bundle(cache_folder)
    train = [photo for index, photo in enumerate(bundle) if index % TEST_EVERY]
    if split == "train":
        return train
    seen = {template(photo) for photo in train}
    return [*_scikit_photos(), *(photo for photo in bundle[::TEST_EVERY] if template(photo) not in seen)]


def template(photo: Photo) -> str:
    """Returns the template of a photo. ``name-1`` and ``name-2`` show the same content before and after an edit."""
    return re.sub(r"-\d+$", "", photo.name)


@cache
def _bundle(cache_folder: Path) -> list[Photo]:
    folder = fetch_wheel(BUNDLE, cache_folder / "photos")
    images = (read_photo(path) for path in sorted(folder.rglob("*.webp")))
    return [photo for photo in images if photo is not None and photo.pixels.std() > LEAST_SPREAD]


def _scikit_photos() -> list[Photo]:
    import skimage
    import sklearn

    folders = (Path(skimage.__file__).parent / "data", Path(sklearn.__file__).parent / "datasets" / "images")
    paths = [folders[0] / name for name in SCIKIT_PHOTOS] + [folders[1] / name for name in ("china.jpg", "flower.jpg")]
    return [photo for path in paths if (photo := read_photo(path)) is not None]


def read_photo(path: Path) -> Photo | None:
    """Reads a photo; None for an animation and for an image that is too small or too long."""
    image = read_image(path)
    if is_animated(path) or min(image.size) < 192 or max(image.size) > 4 * min(image.size):
        return None
    scale = LARGEST_SIDE / min(image.size)
    if scale < 1:
        size = (round(image.width * scale), round(image.height * scale))
        image = image.resize(size, Image.Resampling.LANCZOS)
    return Photo(path.stem, np.asarray(image))
