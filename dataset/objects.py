"""Rendered objects with exact masks and names: emoji images from an npm package, named by code point."""

import unicodedata
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from ..errors import DataError
from ..paths import CACHE
from ..storage.image_reader import read_image_with_alpha
from .packages import fetch_npm

NPM_PACKAGE = "@lobehub/fluent-emoji-3d@1.1.0"

OBJECTS = {
    "guitar": "🎸", "apple": "🍎", "banana": "🍌", "car": "🚗", "rocket": "🚀", "tree": "🌲", "cactus": "🌵",
    "mushroom": "🍄", "pumpkin": "🎃", "robot": "🤖", "ghost": "👻", "crab": "🦀", "fish": "🐠", "octopus": "🐙",
    "turtle": "🐢", "penguin": "🐧", "owl": "🦉", "dog": "🐶", "cat": "🐱", "bear": "🐻", "pig": "🐷",
    "frog": "🐸", "butterfly": "🦋", "snail": "🐌", "bee": "🐝", "rose": "🌹", "sunflower": "🌻", "tomato": "🍅",
    "carrot": "🥕", "pizza": "🍕", "burger": "🍔", "donut": "🍩", "cake": "🎂", "teapot": "🫖", "bottle": "🍾",
    "balloon": "🎈", "gift": "🎁", "crown": "👑", "ring": "💍", "boot": "👢", "hat": "🎩", "drum": "🥁",
    "trumpet": "🎺", "violin": "🎻", "camera": "📷", "book": "📕", "key": "🔑", "lamp": "💡", "umbrella": "🌂",
    "anchor": "⚓", "bicycle": "🚲", "bus": "🚌", "boat": "⛵", "house": "🏠", "castle": "🏰", "ball": "⚽",
    "trophy": "🏆", "diamond": "💎", "hammer": "🔨", "magnet": "🧲", "telescope": "🔭", "bell": "🔔", "clock": "⏰",
    "chair": "🪑",
}  # fmt: skip
"""The emoji of each object, by the object's name in prompts."""

TEST_OBJECTS = ("teapot", "octopus", "violin", "bicycle", "cactus", "trophy", "sunflower", "bear")
"""Objects that region training never sees. The edit samples of the small Kontext use all objects."""


@dataclass(frozen=True)
class Cutout:
    """An object with its outline: ``pixels`` is uint8 [S, S, 4] (RGBA)."""

    name: str
    pixels: np.ndarray


def load_objects(cache_folder: Path = CACHE) -> list[Cutout]:
    """Returns all objects of ``OBJECTS``, each cropped to the square around its outline."""
    return list(_objects(cache_folder))


@cache
def _objects(cache_folder: Path) -> tuple[Cutout, ...]:
    folder = fetch_npm(NPM_PACKAGE, cache_folder / "objects")
    files = {path.stem: path for path in folder.rglob("*.webp")}
    return tuple(read_cutout(name, files[_stem(symbol, files)]) for name, symbol in OBJECTS.items())


def _stem(symbol: str, files: dict[str, Path]) -> str:
    plain = f"{ord(symbol):x}"
    for stem in (plain, f"{plain}-fe0f"):
        if stem in files:
            return stem
    name = unicodedata.name(symbol)
    raise DataError(
        f"{NPM_PACKAGE} lacks {name} ({plain}.webp): delete the folder `objects` in the cache to download it again"
    )


def read_cutout(name: str, path: Path) -> Cutout:
    """Reads an object from an image with transparency, cropped to the square around its outline."""
    image = read_image_with_alpha(path)
    image = image.crop(image.getchannel("A").getbbox())
    side = max(image.size)
    square = Image.new("RGBA", (side, side))
    square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return Cutout(name, np.asarray(square))
