"""The trials: scenes with one or two objects, and an example image of the style of each object."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ...dataset.objects import TEST_OBJECTS, Cutout, load_objects
from ...dataset.photos import Photo, load_photos
from ...dataset.scenes import IMAGE_SIDE, Scene, describe, make_scene
from ...dataset.teacher import STYLE_NAMES, TEST_STYLES, stylise
from ..generated_images import save_image
from .config import ObjectEvaluationConfig


@dataclass(frozen=True)
class StyledObject:
    """An object of a scene and the style that it should get.

    Attributes:
        name: the object's name in the prompt.
        style: the style's id of the teacher.
        mask: the file of the object's true mask, white inside.
        style_image: the file of a style image: another photo in this style.
    """

    name: str
    style: int
    mask: Path
    style_image: Path

    @property
    def style_name(self) -> str:
        return STYLE_NAMES[self.style]


@dataclass(frozen=True)
class ObjectTrial:
    """A scene.

    Attributes:
        number: the scene's number.
        photo: the file of the scene.
        prompt: names the objects, such as "a teapot and a trophy".
        objects: the objects, from the left.
    """

    number: int
    photo: Path
    prompt: str
    objects: tuple[StyledObject, ...]


def make_trials(config: ObjectEvaluationConfig) -> list[ObjectTrial]:
    """Make the scenes, first those with one object. Writes photos, masks and style images.

    Raises:
        DataError: the packages with photos, objects or the teacher are missing.
    """
    photos = load_photos("test")
    objects = [cutout for cutout in load_objects() if cutout.name in TEST_OBJECTS]
    counts = [1] * config.scenes + [2] * config.scenes
    return [_trial(number, count, photos, objects, config) for number, count in enumerate(counts)]


def read_mask(styled: StyledObject) -> np.ndarray:
    """The true mask of an object, [256, 256] in 0..1."""
    return np.asarray(Image.open(styled.mask).convert("L"), dtype=np.float32) / 255


def _trial(
    number: int, count: int, photos: Sequence[Photo], objects: list[Cutout], config: ObjectEvaluationConfig
) -> ObjectTrial:
    rng = random.Random(f"{config.seed} {number}")
    scene = make_scene(photos[number % len(photos)], objects, count, IMAGE_SIDE, rng, crop=False)
    folder = config.output / "scenes" / f"{config.seed}_{number}"
    styles = rng.sample(TEST_STYLES, count)
    others = rng.sample([photo for photo in photos if photo is not photos[number % len(photos)]], count)
    styled = tuple(_objects(scene, styles, others, folder))
    photo = _write(folder / "photo.png", _pixels(scene.image))
    return ObjectTrial(number, photo, describe(scene), styled)


def _objects(scene: Scene, styles: Sequence[int], others: Sequence[Photo], folder: Path) -> Iterator[StyledObject]:
    for (name, mask), style, other in zip(scene.masks.items(), styles, others, strict=True):
        mask_file = _write(folder / f"mask_{name}.png", _pixels(mask))
        example = _write(folder / f"style_{name}.png", stylise(other.square(IMAGE_SIDE), style))
        yield StyledObject(name, style, mask_file, example)


def _pixels(values: np.ndarray) -> np.ndarray:
    return (values * 255).round().astype(np.uint8)


def _write(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_image(Image.fromarray(pixels), path)
    return path
