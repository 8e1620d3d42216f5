"""The three datasets of RegionRoute's evaluation, by name."""

from collections.abc import Callable, Mapping
from pathlib import Path

from ...errors import DataError
from . import big, coco, pascal_voc
from .objects import SegmentedPhoto

DATASETS: Mapping[str, tuple[Callable[[Path, str], list[SegmentedPhoto]], str]] = {
    "coco": (coco.read_coco, coco.SPLIT),
    "voc": (pascal_voc.read_pascal_voc, pascal_voc.SPLIT),
    "big": (big.read_big, big.SPLIT),
}
"""By a dataset's name: its reader, and the split that is read by default."""


def read_dataset(name: str, folder: Path, split: str | None = None) -> list[SegmentedPhoto]:
    """The photos of a dataset.

    Args:
        name: "coco", "voc" or "big".
        folder: the dataset's folder.
        split: a part of the dataset; None for the usual part for tests.

    Raises:
        DataError: there is no such dataset, or its files are missing or damaged.
    """
    if name not in DATASETS:
        raise DataError(f"Found the dataset {name!r}, expected {', '.join(DATASETS)}: choose one of these.")
    reader, usual = DATASETS[name]
    photos = reader(folder, split or usual)
    if not photos:
        raise DataError(f"{folder} has no photo with an object, expected some: give the folder of another dataset.")
    return photos
