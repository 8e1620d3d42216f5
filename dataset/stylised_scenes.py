"""Triplets from real photos: scenes of each photo, stylised by the painting teacher."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..errors import DataError
from .objects import Cutout
from .photos import Photo, template
from .scenes import describe, make_scene
from .teacher import BLENDS, RECOLOURED, STYLES, TEST_STYLES, TRAIN_STYLES, stylise
from .triplet_writer import StylisedContent, TripletStyle


@dataclass(frozen=True)
class ScenesConfig:
    """The options of `styleroute data paintings`.

    Attributes:
        contents_per_photo: scenes per photo: first its middle square, then random crops with 0 to 2 objects.
        styles_per_content: training styles per content in the training split, drawn anew for each content.
        blends: number of additional training styles that blend two of the 21 styles.
        recoloured: number of additional training styles with other colours, so that strokes do not predict colours.
        seen_styles: training styles in the test split, in addition to the unseen styles.
        seed: seed of all random choices.
        size: side of an image in pixels.

    Raises:
        DataError: a number is out of range.
    """

    contents_per_photo: int = 5
    styles_per_content: int = 4
    blends: int = 0
    recoloured: int = 0
    seen_styles: int = 5
    seed: int = 0
    size: int = 256

    def __post_init__(self) -> None:
        if self.contents_per_photo < 1:
            raise DataError(f"contents per photo is {self.contents_per_photo}: give at least 1")
        most = len(TRAIN_STYLES)
        for name, least, limit in (
            ("styles_per_content", 1, most),
            ("seen_styles", 0, most),
            ("blends", 0, len(BLENDS)),
            ("recoloured", 0, len(RECOLOURED)),
        ):
            if not least <= getattr(self, name) <= limit:
                text = name.replace("_", " ")
                raise DataError(f"{text} is {getattr(self, name)}, expected {least} to {limit}: give another number")


class StylisedScenes:
    """The contents of a split, stylised one by one. Each depends only on the seed, its photo and its number."""

    def __init__(self, split: str, config: ScenesConfig, photos: list[Photo], objects: list[Cutout]) -> None:
        self.split, self.config, self._photos, self._objects = split, config, photos, objects
        seen = self._rng("seen styles").sample(TRAIN_STYLES, config.seen_styles)
        self._test_styles = [_named_style(index) for index in (*TEST_STYLES, *seen)]

    def __len__(self) -> int:
        return len(self._photos) * self.config.contents_per_photo

    def __iter__(self) -> Iterator[StylisedContent]:
        for photo in self._photos:
            for number in range(self.config.contents_per_photo):
                yield self._content(photo, number)

    @property
    def images(self) -> int:
        """Number of images to write: contents and stylised images."""
        styles = self.config.styles_per_content if self.split == "train" else len(self._test_styles)
        return len(self) * (1 + styles)

    def _content(self, photo: Photo, number: int) -> StylisedContent:
        rng = self._rng(f"{photo.name} {number}")
        count = rng.choices((0, 1, 2), (0.25, 0.45, 0.3))[0] if number else 0
        scene = make_scene(photo, self._objects, count, self.config.size, rng, crop=number > 0)
        image = (scene.image * 255).round().astype(np.uint8)
        stylised = ((style, stylise(image, style.id)) for style in self._styles(rng))
        # Scenes of one photo, and photos of one template, have the same content name.
        return StylisedContent(template(photo), describe(scene), image, stylised)

    def _styles(self, rng: random.Random) -> list[TripletStyle]:
        if self.split == "test":
            return self._test_styles
        known = (*TRAIN_STYLES, *BLENDS[: self.config.blends], *RECOLOURED[: self.config.recoloured])
        return [_named_style(index) for index in rng.sample(known, self.config.styles_per_content)]

    def _rng(self, of: str) -> random.Random:
        return random.Random(f"{self.config.seed} {self.split} {of}")


def _named_style(index: int) -> TripletStyle:
    return TripletStyle(STYLES[index].name, index)
