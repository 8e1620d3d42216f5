"""Triplets from real photos: scenes of each photo, stylised by the painting teacher."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..errors import DataError
from .objects import Cutout
from .photos import Photo, template
from .scene_styles import MOST_DRAWN, DrawnStyles, SceneStyle, named_style
from .scenes import describe, make_scene
from .teacher import BLENDS, RECOLOURED, TEST_STYLES, TRAIN_STYLES
from .triplet_writer import StylisedContent


@dataclass(frozen=True)
class ScenesConfig:
    """The options of `styleroute data paintings`.

    Attributes:
        contents_per_photo: scenes per photo: first its middle square, then random crops with 0 to 2 objects.
        styles_per_content: training styles per content in the training split, drawn anew for each content.
        blends: number of additional training styles that blend two of the 21 styles.
        recoloured: number of additional training styles with other colours, so that strokes do not predict colours.
        drawn: number of additional training styles from drawn style images. Each is the style of one image.
        drawn_per_content: drawn styles per content in the training split.
        drawn_test: number of drawn styles that only the test split has; each of its contents has all of them.
        seen_styles: training styles in the test split, in addition to the unseen styles.
        seed: seed of all random choices.
        size: side of an image in pixels; a multiple of 16.
        test_size: side of an image of the test split; None: as in the training split.

    Raises:
        DataError: a number is out of range.
    """

    contents_per_photo: int = 5
    styles_per_content: int = 4
    blends: int = 0
    recoloured: int = 0
    drawn: int = 0
    drawn_per_content: int = 3
    drawn_test: int = 0
    seen_styles: int = 5
    seed: int = 0
    size: int = 384
    test_size: int | None = None

    def side(self, split: str) -> int:
        """Side of the images of a split in pixels."""
        return self.size if split == "train" or self.test_size is None else self.test_size

    def __post_init__(self) -> None:
        for name in ("size", "test_size"):
            side = getattr(self, name)
            if side is not None and (side < 16 or side % 16):
                raise DataError(f"{name.replace('_', ' ')} is {side}, expected a multiple of 16: give another number")
        if self.contents_per_photo < 1:
            raise DataError(f"contents per photo is {self.contents_per_photo}: give at least 1")
        most = len(TRAIN_STYLES)
        for name, least, limit in (
            ("styles_per_content", 1, most),
            ("seen_styles", 0, most),
            ("blends", 0, len(BLENDS)),
            ("recoloured", 0, len(RECOLOURED)),
            ("drawn", 0, MOST_DRAWN),
            ("drawn_per_content", 1, MOST_DRAWN),
            ("drawn_test", 0, MOST_DRAWN),
        ):
            if not least <= getattr(self, name) <= limit:
                text = name.replace("_", " ")
                raise DataError(f"{text} is {getattr(self, name)}, expected {least} to {limit}: give another number")


class StylisedScenes:
    """The contents of a split, stylised one by one. Each depends only on the seed, its photo and its number.

    Args:
        split: "train" or "test".
        config: settings of the images.
        photos: the photos that the contents show.
        objects: the objects to paste.
        colours: photos of the same split that give drawn styles their colours; None: `photos`.
    """

    def __init__(
        self,
        split: str,
        config: ScenesConfig,
        photos: list[Photo],
        objects: list[Cutout],
        colours: list[Photo] | None = None,
    ) -> None:
        self.split, self.config, self._photos, self._objects = split, config, photos, objects
        self._side = config.side(split)
        self._drawn = DrawnStyles(photos if colours is None else colours, self._side, split == "test")
        seen = self._rng("seen styles").sample(TRAIN_STYLES, config.seen_styles)
        self._test_styles = [
            *(named_style(index) for index in (*TEST_STYLES, *seen)),
            *self._drawn[: config.drawn_test],
        ]

    def __len__(self) -> int:
        return len(self._photos) * self.config.contents_per_photo

    def __iter__(self) -> Iterator[StylisedContent]:
        for photo in self._photos:
            for number in range(self.config.contents_per_photo):
                yield self._content(photo, number)

    @property
    def images(self) -> int:
        """Upper limit for the number of images to write: contents, style images and stylised images."""
        config = self.config
        if self.split == "test":
            return len(self) * (1 + len(self._test_styles)) + config.drawn_test
        return len(self) * (1 + config.styles_per_content + min(config.drawn, config.drawn_per_content)) + config.drawn

    def _content(self, photo: Photo, number: int) -> StylisedContent:
        rng = self._rng(f"{photo.name} {number}")
        count = rng.choices((0, 1, 2), (0.25, 0.45, 0.3))[0] if number else 0
        scene = make_scene(photo, self._objects, count, self._side, rng, crop=number > 0)
        image = (scene.image * 255).round().astype(np.uint8)
        stylised = ((style.label, style.apply(image)) for style in self._styles(rng))
        # Scenes of one photo, and photos of one template, have the same content name.
        return StylisedContent(template(photo), describe(scene), image, stylised)

    def _styles(self, rng: random.Random) -> list[SceneStyle]:
        if self.split == "test":
            return self._test_styles
        config = self.config
        known = (*TRAIN_STYLES, *BLENDS[: config.blends], *RECOLOURED[: config.recoloured])
        named = [named_style(index) for index in rng.sample(known, config.styles_per_content)]
        drawn = rng.sample(range(config.drawn), min(config.drawn, config.drawn_per_content))
        return [*named, *(self._drawn[number] for number in drawn)]

    def _rng(self, of: str) -> random.Random:
        return random.Random(f"{self.config.seed} {self.split} {of}")
