"""Reads COCO's folder:

<folder>/annotations/instances_val2017.json
<folder>/val2017/000000000139.jpg
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DataError
from ...storage.text_reader import read_text
from ..relative_path import require_inside
from .coco_masks import decode_mask
from .objects import SegmentedObject, SegmentedPhoto, require_files

SPLIT = "val2017"
"""The part of COCO with 5,000 photos for tests."""


def read_coco(folder: Path, split: str = SPLIT) -> list[SegmentedPhoto]:
    """The photos of a split that have annotations, in the order of their names. No image is opened.

    Args:
        folder: the folder with `annotations` and the folder of photos.
        split: name of the folder of photos, such as "val2017" or "train2017".

    Raises:
        DataError: a folder or the file of annotations is missing or damaged.
    """
    annotations = folder / "annotations" / f"instances_{split}.json"
    require_files(f"COCO with annotations/instances_{split}.json and the folder {split}", annotations, folder / split)
    return read_coco_annotations(annotations, folder / split)


def read_coco_annotations(annotations: Path, photos: Path) -> list[SegmentedPhoto]:
    """The photos that a file of annotations in COCO's format describes, in the order of their names.

    Args:
        annotations: the file of instances.
        photos: the folder of the photos.

    Raises:
        DataError: the folder or the file is missing or damaged, or a photo's path leads out of the folder.
    """
    require_files("a file of annotations in COCO's format, and the folder of its photos", annotations, photos)
    content = _content(annotations)
    try:
        return _photos(content, photos)
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{annotations} has an unexpected entry ({error!r}), expected COCO's instances: download it again."
        ) from error


def _content(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path} is not JSON ({error}): download COCO's annotations again.") from error
    keys = ("images", "annotations", "categories")
    if not isinstance(content, dict) or not all(isinstance(content.get(key), list) for key in keys):
        raise DataError(
            f"{path} has no lists {', '.join(keys)}, expected COCO's instances: give the file of instances, not of "
            "captions or panoptic images."
        )
    return content


def _photos(content: dict[str, Any], folder: Path) -> list[SegmentedPhoto]:
    names = {category["id"]: category["name"] for category in content["categories"]}
    found: defaultdict[int, list[dict[str, Any]]] = defaultdict(list)
    for annotation in content["annotations"]:
        found[annotation["image_id"]].append(
            {
                "name": names[annotation["category_id"]],
                "segmentation": annotation["segmentation"],
                "is_group": bool(annotation.get("iscrowd")),
            }
        )
    photos = []
    for image in content["images"]:
        if image["id"] in found:
            path, size = folder / require_inside(image["file_name"]), (image["height"], image["width"])
            photos.append(SegmentedPhoto(path.stem, path, partial(_objects, found[image["id"]], size)))
    return sorted(photos, key=lambda photo: photo.name)


def _objects(annotations: Sequence[dict[str, Any]], size: tuple[int, int]) -> list[SegmentedObject]:
    return [SegmentedObject(one["name"], partial(_mask, one, size), one["is_group"]) for one in annotations]


def _mask(annotation: dict[str, Any], size: tuple[int, int]) -> np.ndarray:
    return decode_mask(annotation["segmentation"], *size)
