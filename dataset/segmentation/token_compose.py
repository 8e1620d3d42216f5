"""Reads TokenCompose's Grounded COCO, photos of COCO with masks of the nouns in their captions:

    <folder>/coco_gsam_img/train/metadata.jsonl
    <folder>/coco_gsam_img/train/000000000142.jpg
    <folder>/coco_gsam_seg/000000000142/mask_000000000142_bananas.png

A line has `file_name`, `text` (the caption) and `attn_list`: pairs of a noun and its mask's path, or null without a
mask. The paths begin with `seg/`, which stands for the folder `coco_gsam_seg`.
"""

import json
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from ...errors import DataError
from ...storage.image_reader import read_mask
from ...storage.text_reader import read_text
from ..relative_path import require_inside
from .objects import SegmentedObject, SegmentedPhoto, require_files

SPLIT = "train"
"""The only split of Grounded COCO."""
PHOTOS, MASKS = "coco_gsam_img", "coco_gsam_seg"
METADATA = "metadata.jsonl"
LAYOUT = f"Grounded COCO with {PHOTOS}/{SPLIT}/{METADATA} and {MASKS}"
NO_OBJECTS = frozenset((
    "air", "area", "back", "background", "bottom", "bunch", "close", "couple", "day", "edge", "end", "front", "group",
    "half", "image", "inside", "kind", "left", "line", "lot", "middle", "number", "pair", "part", "photo", "picture",
    "piece", "place", "reflection", "ride", "right", "row", "scene", "set", "shot", "side", "sort", "stack", "top",
    "type", "up", "variety", "view", "way",
))  # fmt: skip
"""Nouns of captions that name no object: parts of an image, amounts, and positions. The list is ours."""


def read_token_compose(folder: Path, split: str = SPLIT) -> list[SegmentedPhoto]:
    """The photos of Grounded COCO, in the order of their names. No image is opened.

    A noun that stands twice for a photo, and a noun that names no object (`NO_OBJECTS`), is passed over.

    Args:
        folder: the folder with `coco_gsam_img` and `coco_gsam_seg`, in TokenCompose's repository `train/data`.
        split: name of the folder of photos.

    Raises:
        DataError: a folder or the metadata is missing or damaged.
    """
    metadata = folder / PHOTOS / split / METADATA
    require_files(LAYOUT, metadata)
    masks = next((root for root in (folder / MASKS, folder / "seg") if root.is_dir()), None)
    if masks is None:
        raise DataError(f"{folder / MASKS} is missing, expected {LAYOUT}: unpack {MASKS}.tar there.")
    lines = enumerate(read_text(metadata).splitlines(), start=1)
    photos = {photo.name: photo for photo in (_photo(metadata, number, line, masks) for number, line in lines if line)}
    return [photos[name] for name in sorted(photos)]


def _photo(metadata: Path, number: int, line: str, masks: Path) -> SegmentedPhoto:
    try:
        row: dict[str, Any] = json.loads(line)
        name = require_inside(row["file_name"])
        pairs = [
            (str(noun), require_inside(path.removeprefix("seg/")))
            for noun, path in row["attn_list"]
            if path is not None
        ]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(
            f"{metadata}, line {number}, is no photo ({error!r}), expected file_name and attn_list with paths inside "
            "the dataset: download TokenCompose's metadata again."
        ) from error
    path = metadata.parent / name
    return SegmentedPhoto(path.stem, path, partial(_objects, pairs, masks))


def _objects(pairs: list[tuple[str, PurePosixPath]], masks: Path) -> list[SegmentedObject]:
    named = {noun.lower(): path for noun, path in pairs if noun.lower() not in NO_OBJECTS}
    return [SegmentedObject(noun, partial(_mask, masks / path)) for noun, path in named.items()]


def _mask(path: Path) -> np.ndarray:
    return read_mask(path) > 0.5
