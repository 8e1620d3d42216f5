"""A photo with its segmented objects. Photo and masks stay on disk until they are asked for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import DataError


@dataclass(frozen=True)
class SegmentedObject:
    """One object, or a group that the annotation does not separate.

    Attributes:
        name: the name of its class, as it stands in a prompt, such as "dining table".
        mask: returns the object's mask [H, W], True inside; it may raise DataError.
        is_group: whether the annotation is one mask for several objects, such as a crowd.
    """

    name: str
    mask: Callable[[], np.ndarray]
    is_group: bool = False


@dataclass(frozen=True)
class SegmentedPhoto:
    """A photo and its objects.

    Attributes:
        name: the file's name without its ending; no two photos of a dataset share it.
        path: the image file.
        objects: returns the objects; it may raise DataError.
    """

    name: str
    path: Path
    objects: Callable[[], Sequence[SegmentedObject]]


VOC_CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog",
    "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
"""Pascal VOC's classes in the order of their numbers 1 to 20."""
_SPOKEN = {"diningtable": "dining table", "pottedplant": "potted plant", "tvmonitor": "tv"}


def spoken_name(voc_class: str) -> str:
    """The name of a Pascal VOC class as it stands in a prompt."""
    return _SPOKEN.get(voc_class, voc_class)


def require_files(what: str, *paths: Path) -> None:
    """Check that the files and folders of a dataset exist.

    Args:
        what: the dataset and its layout, as the error names it.
        paths: the needed files and folders.

    Raises:
        DataError: one of them is missing.
    """
    missing = [path for path in paths if not path.exists()]
    if missing:
        raise DataError(f"{missing[0]} is missing, expected {what}: give the folder that holds these.")
