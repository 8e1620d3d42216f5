"""Scenes: photos with zero to two pasted objects, each with its name and exact mask."""

import random
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from .objects import Cutout
from .photos import Photo

IMAGE_SIDE = 256
"""Side in pixels of the square images that the shipped small Kontext generates."""


@dataclass(frozen=True)
class Scene:
    """An image, float32 [H, W, 3] in 0..1, and the mask [H, W] in 0..1 of each object in it, by name."""

    image: np.ndarray
    masks: dict[str, np.ndarray]


def make_scene(
    photo: Photo,
    objects: list[Cutout],
    count: int,
    size: int | tuple[int, int],
    rng: random.Random,
    crop: bool = True,
) -> Scene:
    """Pastes ``count`` different objects into a part of the photo: a random one, or without ``crop`` the middle.

    Two objects are placed side by side, so that neither hides the other.

    Args:
        size: height and width of the scene in pixels; one number for a square.
    """
    shape = (size, size) if isinstance(size, int) else size
    image = photo.crop(shape, rng if crop else None).astype(np.float32) / 255
    masks: dict[str, np.ndarray] = {}
    chosen = rng.sample(objects, count)
    for slot, cutout in enumerate(chosen):
        layer, alpha = _place(cutout, shape, slot, count, rng)
        image = image + alpha[..., None] * (layer - image)
        masks[cutout.name] = alpha
    return Scene(image, masks)


def _place(
    cutout: Cutout, shape: tuple[int, int], slot: int, count: int, rng: random.Random
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the object on a canvas: colours [H, W, 3] and alpha [H, W]."""
    height, width = shape
    room = width // count
    largest = min(room, height)
    side = rng.randint(int(largest * 0.45), int(largest * (0.7 if count == 1 else 0.95)))
    left = slot * room + rng.randint(0, room - side)
    top = rng.randint(0, height - side)
    canvas = Image.new("RGBA", (width, height))
    canvas.paste(Image.fromarray(cutout.pixels).resize((side, side), Image.Resampling.LANCZOS), (left, top))
    values = np.asarray(canvas, dtype=np.float32) / 255
    return values[..., :3], values[..., 3]


NO_CONTENT = "an image"
"""The prompt for a content without known objects."""


def describe(scene: Scene) -> str:
    """Returns the prompt of the content, without medium or style: "a guitar and an owl"."""
    return listed(scene.masks) or NO_CONTENT


def caption_photo(scene: Scene) -> str:
    """Returns the caption of the scene as a photo: "a photo of a guitar and an owl"."""
    return f"a photo of {listed(scene.masks)}" if scene.masks else "a photo"


def listed(names: Iterable[str]) -> str:
    """Returns the names of objects as a list in words: "a guitar and an owl"."""
    return " and ".join(map(with_article, names))


def with_article(name: str) -> str:
    """Returns the name of an object with "a" or "an"."""
    return f"an {name}" if name[:1].lower() in "aeiou" else f"a {name}"
