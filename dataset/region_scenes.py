"""Scenes for region training: photos with named objects, each of them stylised by the teacher within its mask.

Scenes without styles serve to ground the object's words.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..errors import DataError
from .objects import TEST_OBJECTS, Cutout
from .photos import Photo
from .scenes import IMAGE_SIDE, make_scene
from .teacher import STYLE_NAMES, TRAIN_STYLES, stylise

TWO_OBJECTS = 0.6
"""Share of scenes with a second object, which must stay as it is: only the prompt says which object to stylise."""


@dataclass(frozen=True)
class ObjectScenesConfig:
    """The options of `styleroute data objects`.

    Attributes:
        scenes: number of scenes in the training split.
        test_scenes: number of scenes in the test split, with photos and objects that training never sees.
        seed: seed of all random choices.
        size: side of an image in pixels.

    Raises:
        DataError: a number is out of range.
    """

    scenes: int = 1_200
    test_scenes: int = 36
    seed: int = 0
    size: int = IMAGE_SIDE

    def __post_init__(self) -> None:
        for name in ("scenes", "test_scenes"):
            if getattr(self, name) < 1:
                raise DataError(f"{name.replace('_', ' ')} is {getattr(self, name)}: give at least 1")


@dataclass(frozen=True)
class RegionScenesConfig(ObjectScenesConfig):
    """The options of `styleroute data regions`.

    Attributes:
        styles: names of clearly different training styles; every object is stylised in each of them.

    Raises:
        DataError: a style is unknown or reserved for testing, or a number is out of range.
    """

    scenes: int = 400
    styles: tuple[str, ...] = ("ink comic", "indigo dots", "green chalk", "woven")

    def __post_init__(self) -> None:
        super().__post_init__()
        known = [STYLE_NAMES[index] for index in TRAIN_STYLES]
        for style in self.styles:
            if style not in known:
                why = "reserved for testing" if style in STYLE_NAMES else "unknown"
                raise DataError(f"the style {style!r} is {why}: give some of {', '.join(known)}")
        if not self.styles or len(set(self.styles)) < len(self.styles):
            raise DataError(f"the styles are {', '.join(self.styles) or 'none'}: give one or more, each once")


@dataclass(frozen=True)
class StylisedObject:
    """One object of a scene in one style: the whole image, uint8 [S, S, 3], in which only the object is stylised."""

    object: str
    style: str
    image: np.ndarray


@dataclass(frozen=True)
class RegionScene:
    """A scene, uint8 [S, S, 3], the mask of each object, uint8 [S, S], and each object in each style.

    ``stylised`` can be iterated once; its images are made one by one to save memory. It is empty without styles.
    """

    photo: str
    image: np.ndarray
    masks: dict[str, np.ndarray]
    stylised: Iterator[StylisedObject]


class RegionScenes:
    """The scenes of a split, made one by one. Each depends only on the seed, the split and its number."""

    def __init__(self, split: str, config: ObjectScenesConfig, photos: list[Photo], objects: list[Cutout]) -> None:
        self.split, self.config, self._photos = split, config, photos
        self.styles = config.styles if isinstance(config, RegionScenesConfig) else ()
        self._objects = [cutout for cutout in objects if _is_test_object(cutout.name) == (split == "test")]
        self._order = random.Random(f"{config.seed} {split}").sample(range(len(photos)), len(photos))

    def __len__(self) -> int:
        return self.config.test_scenes if self.split == "test" else self.config.scenes

    def __iter__(self) -> Iterator[RegionScene]:
        return (self._scene(number) for number in range(len(self)))

    @property
    def most_images(self) -> int:
        """Upper limit for the number of images: scenes, masks and stylised images of two objects per scene."""
        return len(self) * (1 + 2 + 2 * len(self.styles))

    def _scene(self, number: int) -> RegionScene:
        photo = self._photos[self._order[number % len(self._order)]]
        rng = random.Random(f"{self.config.seed} {self.split} {number}")
        count = 2 if rng.random() < TWO_OBJECTS else 1
        scene = make_scene(photo, self._objects, count, self.config.size, rng)
        image = (scene.image * 255).round().astype(np.uint8)
        masks = {name: (mask * 255).round().astype(np.uint8) for name, mask in scene.masks.items()}
        return RegionScene(photo.name, image, masks, self._stylise(image, masks))

    def _stylise(self, image: np.ndarray, masks: dict[str, np.ndarray]) -> Iterator[StylisedObject]:
        for style in self.styles:
            whole = stylise(image, STYLE_NAMES.index(style))
            for name, mask in masks.items():
                yield StylisedObject(name, style, blend(image, whole, mask))


def _is_test_object(name: str) -> bool:
    """Whether a name holds a test object's name, such as "european bear" the name "bear"."""
    return not set(TEST_OBJECTS).isdisjoint(name.split())


def blend(image: np.ndarray, stylised: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Returns ``stylised`` where the mask is white and ``image`` where it is black. All uint8; mask [S, S]."""
    share = mask[..., None].astype(np.float32) / 255
    return (image + share * (stylised.astype(np.float32) - image)).round().astype(np.uint8)
