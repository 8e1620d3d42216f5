"""Chooses the photos that have a fitting object. A damaged photo is set aside with its reason."""

import random
import re
from collections.abc import Sequence

from ...errors import DataError
from ...progress import track
from ..segmentation import ObjectChoice, SegmentedPhoto, choose_object

_NAME = re.compile(r"\w[\w .,'&-]*")
LeftOut = dict[str, list[str]]
"""Names of the photos or images that are left out, by reason."""


def select_photos(
    photos: Sequence[SegmentedPhoto], count: int | None, seed: int, choice: ObjectChoice, left_out: LeftOut
) -> list[SegmentedPhoto]:
    """The first photos with a fitting object, in an order that the seed decides.

    Args:
        photos: the photos of a dataset.
        count: number of photos; None for all that fit.
        seed: seed of the order.
        choice: rules for the object.
        left_out: gets the photos that are damaged, have no fitting object, or share another one's name.

    Raises:
        DataError: fewer photos than `count` have a fitting object, or none has.
    """
    found: dict[str, SegmentedPhoto] = {}
    order = random.Random(seed).sample(list(photos), len(photos))
    for photo in track(order, "choosing objects", len(order)):
        if len(found) == count:
            break
        reason = _reason(photo, choice) if photo.name not in found else "another photo has its name"
        if reason is None:
            found[photo.name] = photo
        else:
            left_out.setdefault(reason, []).append(photo.name)
    if len(found) < (count or 1):
        reasons = "; ".join(f"{len(names)} x {reason}" for reason, names in left_out.items())
        raise DataError(
            f"Found {len(found)} photos with a fitting object among {len(photos)}, expected {count or 1} ({reasons}): "
            "give a smaller number, or other limits for the object's share."
        )
    return list(found.values())


def _reason(photo: SegmentedPhoto, choice: ObjectChoice) -> str | None:
    """Why a photo cannot be used; None if it can."""
    try:
        chosen = choose_object(photo, choice)
    except DataError as error:
        return f"damaged: {str(error).replace(str(photo.path), 'the photo').replace(photo.name, 'the photo')}"
    if chosen is None:
        return "no object of a fitting size that is the only one of its name"
    return None if _NAME.fullmatch(chosen.name) else "an object's name that cannot be in a file name"
