"""Pseudo ground truth by "stylise and blend": the stylised photo inside the object's mask, the photo elsewhere."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter, ImageOps

from ...errors import DataError
from ..region_scenes import RegionScene, StylisedObject, blend
from ..segmentation import ChosenObject, ObjectChoice, SegmentedPhoto, choose_object
from .select_photos import LeftOut
from .styles import GroundedStyle
from .stylists import ImageNotGiven, Stylist, StylistFailure

MOST_FAILURES = 5
"""Images that may fail one after another. More mean that the stylist does not work at all."""


@dataclass(frozen=True)
class GroundedConfig:
    """The options of `styleroute data grounded` that say what its samples are.

    Attributes:
        photos: number of photos in the training split; None for all that have a fitting object.
        test_photos: number of photos in the test split.
        least_share: smallest share of the photo's middle square that the object covers.
        most_share: largest share, so that a background is left.
        one_of_class: whether the photo must have no second object of the name: "the dog" must mean one dog.
        feather: width in pixels over which photo and stylised image blend at the mask's edge.
        seed: seed of the photos' order and of the stylist.
        size: side of the images in pixels, a multiple of 16.

    Raises:
        DataError: a number is out of range.
    """

    photos: int | None = 150
    test_photos: int = 0
    least_share: float = 0.05
    most_share: float = 0.6
    one_of_class: bool = True
    feather: int = 0
    seed: int = 0
    size: int = 1024

    def __post_init__(self) -> None:
        for name, least in (("photos", 1), ("test_photos", 0), ("feather", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                text = name.replace("_", " ")
                raise DataError(f"The number {text} is {value}, expected {least} or more: give another one.")
        _ = self.choice

    @property
    def choice(self) -> ObjectChoice:
        """The rules for objects."""
        return ObjectChoice(self.least_share, self.most_share, self.one_of_class, self.size)


class GroundedScenes:
    """The scenes of a split, made one by one.

    Args:
        photos: photos that have a fitting object.
        config: rules and sizes.
        styles: the styles; empty for scenes that only ground the objects' words.
        stylist: makes the stylised photos.
        left_out: gets the images that could not be stylised.
    """

    def __init__(
        self,
        photos: Sequence[SegmentedPhoto],
        config: GroundedConfig,
        styles: Sequence[GroundedStyle],
        stylist: Stylist | None,
        left_out: LeftOut,
    ) -> None:
        self._photos, self._config, self._stylist, self._left_out = photos, config, stylist, left_out
        self._styles = styles
        self.styles = tuple(style.name for style in styles)
        self._failures = 0

    def __len__(self) -> int:
        return len(self._photos)

    def __iter__(self) -> Iterator[RegionScene]:
        for photo in self._photos:
            chosen = choose_object(photo, self._config.choice)
            if chosen is not None:  # the photo was chosen because it has one
                mask = chosen.mask.astype(np.uint8) * 255
                yield RegionScene(photo.name, chosen.image, {chosen.name: mask}, self._stylised(photo, chosen, mask))

    def _stylised(self, photo: SegmentedPhoto, chosen: ChosenObject, mask: np.ndarray) -> Iterator[StylisedObject]:
        side, soft = self._config.size, _soft(mask, self._config.feather)
        for style in self._styles:
            try:
                whole = self._stylist(photo, chosen, style) if self._stylist else None
            except StylistFailure as error:
                self._fail(f"{photo.name} in {style.name}", error)
                continue
            if whole is not None:
                self._failures = 0
                pixels = np.asarray(ImageOps.fit(whole.convert("RGB"), (side, side), Image.Resampling.LANCZOS))
                yield StylisedObject(chosen.name, style.name, blend(chosen.image, pixels, soft))

    def _fail(self, name: str, error: StylistFailure) -> None:
        self._left_out.setdefault(str(error), []).append(name)
        self._failures += not isinstance(error, ImageNotGiven)
        if self._failures == MOST_FAILURES:
            raise DataError(
                f"{MOST_FAILURES} images in a row could not be stylised, the last one is {name} ({error}): correct "
                "this and start again. Images that were kept are used again."
            ) from error


def _soft(mask: np.ndarray, feather: int) -> np.ndarray:
    """The mask [S, S] with an edge of this many pixels. It only grows softer inside the object."""
    if not feather:
        return mask
    blurred = np.asarray(Image.fromarray(mask).filter(ImageFilter.GaussianBlur(feather / 2)))
    return np.minimum(mask, np.clip(2 * blurred.astype(np.int16) - 255, 0, 255)).astype(np.uint8)
