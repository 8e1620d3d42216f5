"""Reads the folder of BIG, whose photos have 2,000 to 5,000 pixels on each side, and one segmented object each:

<folder>/test/aeroplane_1_im.jpg    the photo; its name holds a Pascal VOC class
<folder>/test/aeroplane_1_gt.png    the object's mask, white on black
"""

from functools import partial
from pathlib import Path

import numpy as np

from ...errors import DataError
from ...storage.image_reader import read_mask
from .objects import VOC_CLASSES, SegmentedObject, SegmentedPhoto, require_files, spoken_name

SPLIT = "test"
"""The part of BIG with 100 objects; "val" has 50."""
PHOTO, MASK = "_im.jpg", "_gt.png"
"""Ends of the names of a photo and of its mask."""
CLASSES = (*VOC_CLASSES, "tv")
"""The classes in names of files; BIG writes "tv" for "tvmonitor"."""


def read_big(folder: Path, split: str = SPLIT) -> list[SegmentedPhoto]:
    """The photos of a split, in the order of their names. No image is opened.

    Args:
        folder: the folder with `val` and `test`, or a folder that holds the photos itself.
        split: "test" or "val".

    Raises:
        DataError: there is no photo, a mask is missing, or a name holds no class.
    """
    root = folder / split if (folder / split).is_dir() else folder
    require_files(f"BIG with photos *{PHOTO} and masks *{MASK}", root)
    names = sorted(path.name.removesuffix(PHOTO) for path in root.glob(f"*{PHOTO}"))
    if not names:
        raise DataError(f"{root} has no photo *{PHOTO}, expected BIG's folder `val` or `test`: give its folder.")
    require_files(f"a mask *{MASK} for each photo of BIG", *(root / f"{name}{MASK}" for name in names))
    return [_photo(root, name) for name in names]


def _photo(root: Path, name: str) -> SegmentedPhoto:
    found = [one for one in CLASSES if one in name.lower()]
    if not found:
        raise DataError(
            f"The name {name}{PHOTO} holds no class, expected one of {', '.join(VOC_CLASSES)}: rename photo and mask."
        )
    # "tv" is part of "tvmonitor", and no class is part of another one.
    one = SegmentedObject(spoken_name(max(found, key=len)), partial(_mask, root / f"{name}{MASK}"))
    return SegmentedPhoto(name, root / f"{name}{PHOTO}", lambda: [one])


def _mask(path: Path) -> np.ndarray:
    return read_mask(path) > 0.5
