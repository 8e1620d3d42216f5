"""Reads Pascal VOC's folder:

    <folder>/JPEGImages/2007_000033.jpg
    <folder>/SegmentationObject/2007_000033.png    a pixel's colour number is the object's number; 0: background
    <folder>/SegmentationClass/2007_000033.png     a pixel's colour number is the class's number, 1 to 20
    <folder>/ImageSets/Segmentation/val.txt        the names of the photos of a split

In both PNG files 255 marks the border of objects, which belongs to no object.
"""

from functools import partial
from pathlib import Path

import numpy as np

from ...errors import DataError
from ...storage.image_reader import read_colour_numbers
from ...storage.text_reader import read_text
from .objects import VOC_CLASSES, SegmentedObject, SegmentedPhoto, require_files, spoken_name

SPLIT = "val"
"""The part of VOC 2012 with 1,449 photos for tests."""
BORDER = 255
"""Colour number of the pixels between objects."""
_YEARS = (Path("VOCdevkit") / "VOC2012", Path("VOC2012"))


def read_pascal_voc(folder: Path, split: str = SPLIT) -> list[SegmentedPhoto]:
    """The segmented photos of a split, in the order of its list. No image is opened.

    Args:
        folder: the folder with `JPEGImages`, or a folder that holds VOCdevkit/VOC2012 or VOC2012.
        split: name of the list of photos, such as "val" or "train".

    Raises:
        DataError: a folder or the list of the split is missing, or the list is empty.
    """
    root = next((folder / year for year in _YEARS if (folder / year).is_dir()), folder)
    names = root / "ImageSets" / "Segmentation" / f"{split}.txt"
    folders = [root / name for name in ("JPEGImages", "SegmentationObject", "SegmentationClass")]
    require_files(
        "Pascal VOC with JPEGImages, SegmentationObject, SegmentationClass and ImageSets/Segmentation", *folders, names
    )
    listed = read_text(names).split()
    if not listed:
        raise DataError(f"{names} is empty, expected a photo's name in each line: download Pascal VOC again.")
    return [SegmentedPhoto(name, root / "JPEGImages" / f"{name}.jpg", partial(_objects, root, name)) for name in listed]


def _objects(root: Path, name: str) -> list[SegmentedObject]:
    numbers = read_colour_numbers(root / "SegmentationObject" / f"{name}.png")
    classes = read_colour_numbers(root / "SegmentationClass" / f"{name}.png")
    if numbers.shape != classes.shape:
        raise DataError(
            f"The masks of {name} have the sizes {list(numbers.shape)} and {list(classes.shape)}, expected equal "
            "sizes: download Pascal VOC again."
        )
    found = (number for number in np.unique(numbers) if number not in (0, BORDER))
    return [_object(name, numbers == number, classes) for number in found]


def _object(photo: str, mask: np.ndarray, classes: np.ndarray) -> SegmentedObject:
    """The object; its class is the most frequent one within its mask."""
    counts = np.bincount(classes[mask], minlength=256)[1 : len(VOC_CLASSES) + 1]
    if not counts.any():
        raise DataError(
            f"An object of {photo} has no class in SegmentationClass, expected a number from 1 to {len(VOC_CLASSES)}: "
            "download Pascal VOC again."
        )
    return SegmentedObject(spoken_name(VOC_CLASSES[int(counts.argmax())]), lambda: mask)
