"""Real photos from packages, split by whole photo into training and test."""

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
"""An MIT-licensed bundle of about 260 images."""

TEST_EVERY = 10
"""Every tenth image of the bundle whose template training does not know, and all of scikit-image's and
scikit-learn's photos, are for testing."""

SCIKIT_PHOTOS = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "motorcycle_left.png")


@dataclass(frozen=True)
class Photo:
    """One photo: ``pixels`` is [H, W, 3] uint8, the shorter side at most 512."""

    name: str
    pixels: np.ndarray

    def square(self, size: int, rng: random.Random | None = None) -> np.ndarray:
        """A square [size, size, 3]: the middle of the photo, or with ``rng`` a random crop and flip."""
        height, width = self.pixels.shape[:2]
        shorter = min(height, width)
        side = shorter if rng is None else rng.randint(min(shorter, max(size * 2 // 3, shorter // 2)), shorter)
        top, left = (height - side) // 2, (width - side) // 2
        if rng is not None:
            top, left = rng.randint(0, height - side), rng.randint(0, width - side)
        crop = Image.fromarray(self.pixels[top : top + side, left : left + side])
        pixels = np.asarray(crop.resize((size, size), Image.Resampling.BICUBIC))
        return pixels[:, ::-1].copy() if rng is not None and rng.random() < 0.5 else pixels


def load_photos(split: str, cache_folder: Path = CACHE) -> list[Photo]:
    """The photos of a split, ``"train"`` or ``"test"``: never a photo in both, nor a template in both."""
    bundle = _bundle(cache_folder)
    train = [photo for index, photo in enumerate(bundle) if index % TEST_EVERY]
    if split == "train":
        return train
    seen = {template(photo) for photo in train}
    return [*_scikit_photos(), *(photo for photo in bundle[::TEST_EVERY] if template(photo) not in seen)]


def template(photo: Photo) -> str:
    """The bundle numbers a template's images: ``name-1`` and ``name-2`` show the same thing before and after."""
    return re.sub(r"-\d+$", "", photo.name)


@cache
def _bundle(cache_folder: Path) -> list[Photo]:
    folder = fetch_wheel(BUNDLE, cache_folder / "photos")
    images = (_read(path) for path in sorted(folder.rglob("*.webp")))
    return [photo for photo in images if photo is not None and photo.pixels.std() > 20]


def _scikit_photos() -> list[Photo]:
    import skimage
    import sklearn

    folders = (Path(skimage.__file__).parent / "data", Path(sklearn.__file__).parent / "datasets" / "images")
    paths = [folders[0] / name for name in SCIKIT_PHOTOS] + [folders[1] / name for name in ("china.jpg", "flower.jpg")]
    return [photo for path in paths if (photo := _read(path)) is not None]


def _read(path: Path) -> Photo | None:
    """A photo; None for an animation and for an image that is too small or too long."""
    image = read_image(path)
    if is_animated(path) or min(image.size) < 192 or max(image.size) > 4 * min(image.size):
        return None
    scale = 512 / min(image.size)
    if scale < 1:
        size = (round(image.width * scale), round(image.height * scale))
        image = image.resize(size, Image.Resampling.LANCZOS)
    return Photo(path.stem, np.asarray(image))
