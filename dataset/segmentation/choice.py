"""Chooses one object for each photo. RegionRoute's paper only says that each image has a single target object."""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

from ...errors import DataError
from ...storage.image_reader import read_image
from .objects import SegmentedObject, SegmentedPhoto


@dataclass(frozen=True)
class ObjectChoice:
    """The rules for an object. They are ours.

    Attributes:
        least_share: smallest share of the photo that the object covers. The paper says that small objects are hard.
        most_share: largest share, so that a background is left to measure.
        one_of_class: whether the photo must have no second object of the class: "the dog" must mean one dog.
        side: side of the square in pixels to which the photo's middle is scaled; the shares count in this square.

    Raises:
        DataError: a value is impossible.
    """

    least_share: float = 0.05
    most_share: float = 0.6
    one_of_class: bool = True
    side: int = 1024

    def __post_init__(self) -> None:
        if not 0 < self.least_share <= self.most_share < 1:
            raise DataError(
                f"The object's shares are {self.least_share} and {self.most_share}, expected "
                "0 < smallest <= largest < 1: give other shares."
            )
        if self.side < 16 or self.side % 16:
            raise DataError(f"The side is {self.side} pixels, expected a multiple of 16: give another side.")

    def fits(self, mask: np.ndarray) -> bool:
        """Whether the share of a mask is within the limits."""
        return self.least_share <= mask.mean() <= self.most_share


@dataclass(frozen=True)
class ChosenObject:
    """The middle square of a photo, and its object.

    Attributes:
        photo: name of the photo.
        name: name of the object, such as "dog".
        image: [side, side, 3] uint8.
        mask: [side, side] bool, True inside the object.
    """

    photo: str
    name: str
    image: np.ndarray
    mask: np.ndarray


def choose_objects(
    photos: Sequence[SegmentedPhoto], count: int, seed: int = 0, choice: ObjectChoice | None = None
) -> Iterator[ChosenObject]:
    """The largest fitting object of each photo, for photos in an order that the seed decides.

    A photo without a fitting object is passed over.

    Args:
        photos: the dataset's photos.
        count: number of objects to yield.
        seed: seed of the order.
        choice: rules for the objects; None for the usual ones.

    Raises:
        DataError: a file is missing or damaged, or fewer than `count` photos have a fitting object.
    """
    if count < 1:
        raise DataError(f"Found {count} objects to choose, expected 1 or more: give another number.")
    rules, found = choice or ObjectChoice(), 0
    for photo in random.Random(seed).sample(photos, len(photos)):
        if found == count:
            return
        chosen = choose_object(photo, rules)
        if chosen is not None:
            found += 1
            yield chosen
    if found < count:
        raise DataError(
            f"Found {found} photos with a fitting object among {len(photos)}, expected {count}: give a smaller number, "
            "or other limits for the object's share."
        )


def choose_object(photo: SegmentedPhoto, choice: ObjectChoice) -> ChosenObject | None:
    """The largest fitting object of a photo, or None.

    Raises:
        DataError: the photo or a mask is missing or damaged, or their sizes differ.
    """
    objects = photo.objects()
    masks = [(one.name, _square(photo, one, choice.side)) for one in _candidates(objects, choice)]
    fitting = [
        (mask.mean(), name, mask) for name, mask in masks if choice.least_share <= mask.mean() <= choice.most_share
    ]
    if not fitting:
        return None
    _, name, mask = max(fitting, key=lambda one: one[0])
    image = read_image(photo.path)
    size = objects[0].mask().shape
    if size != (image.height, image.width):
        raise DataError(
            f"{photo.path} has {image.width} x {image.height} pixels, its masks have {size[1]} x {size[0]}, expected "
            "equal sizes: download photos and annotations of the same release."
        )
    fitted = ImageOps.fit(image, (choice.side, choice.side), Image.Resampling.LANCZOS)
    return ChosenObject(photo.name, name, np.asarray(fitted), mask)


def _candidates(objects: Sequence[SegmentedObject], choice: ObjectChoice) -> list[SegmentedObject]:
    names = Counter(one.name for one in objects)
    return [one for one in objects if not one.is_group and (names[one.name] == 1 or not choice.one_of_class)]


def _square(photo: SegmentedPhoto, one: SegmentedObject, side: int) -> np.ndarray:
    """The middle square of a mask [side, side]."""
    try:
        mask = one.mask()
    except DataError as error:
        raise DataError(f"The {one.name} in {photo.name} has no usable mask. {error}") from error
    return np.asarray(ImageOps.fit(Image.fromarray(mask), (side, side), Image.Resampling.NEAREST))
