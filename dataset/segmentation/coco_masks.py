"""Masks of COCO's annotations: polygons, and run lengths as numbers or as a packed text.

Run lengths count pixels down the columns, first outside the object, then inside, and so on.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from skimage.draw import polygon2mask

from ...errors import DataError


def decode_mask(segmentation: Any, height: int, width: int) -> np.ndarray:
    """The mask [H, W] bool of an annotation's `segmentation`.

    A pixel belongs to a polygon if the pixel's middle does. COCO's own tool may differ by one pixel along an edge.

    Raises:
        DataError: the segmentation is damaged, or its size is not the image's.
    """
    try:
        if isinstance(segmentation, dict):
            return _from_runs(segmentation, height, width)
        if isinstance(segmentation, list):
            return _from_polygons(segmentation, height, width)
    except (TypeError, ValueError, KeyError, IndexError, AttributeError, OverflowError) as error:
        raise DataError(_broken(str(error))) from error
    raise DataError(_broken(f"it is a {type(segmentation).__name__}"))


def _broken(reason: str) -> str:
    return (
        f"A COCO segmentation is damaged ({reason}), expected polygons or run lengths: download the annotations again."
    )


def _from_polygons(polygons: Sequence[Sequence[float]], height: int, width: int) -> np.ndarray:
    if not polygons:
        raise DataError(_broken("it has no polygon"))
    mask = np.zeros((height, width), bool)
    for polygon in polygons:
        if len(polygon) < 6 or len(polygon) % 2:
            raise DataError(_broken(f"a polygon has {len(polygon)} numbers"))
        points = np.asarray(polygon, dtype=np.float64)
        if not np.isfinite(points).all():
            raise DataError(_broken("a polygon has a number that is not finite"))
        # COCO's coordinates (x, y) are edges of pixels, skimage's (row, column) are their middles.
        mask |= polygon2mask((height, width), points.reshape(-1, 2)[:, ::-1] - 0.5)
    return mask


def _from_runs(segmentation: dict[str, Any], height: int, width: int) -> np.ndarray:
    if list(segmentation["size"]) != [height, width]:
        raise DataError(_broken(f"its size is {segmentation['size']}, the image's is {[height, width]}"))
    counts = segmentation["counts"]
    runs = np.asarray(_unpacked(counts) if isinstance(counts, str) else counts, dtype=np.int64)
    if (runs < 0).any() or runs.sum() != height * width:
        raise DataError(_broken(f"its runs cover {int(runs.sum())} of {height * width} pixels"))
    inside = np.arange(len(runs)) % 2 == 1
    return np.repeat(inside, runs).reshape(width, height).T


def _unpacked(text: str) -> list[int]:
    """The run lengths of COCO's packed text.

    Each letter holds 5 bits of a number, lowest bits first, and a bit that says whether more letters follow. From the
    fourth number on, the text holds the difference to the number two places before.
    """
    runs: list[int] = []
    value = shift = 0
    for letter in text:
        bits = ord(letter) - 48
        if not 0 <= bits < 64:
            raise DataError(_broken(f"the letter {letter!r} is not in its alphabet"))
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    if shift:
        raise DataError(_broken("its text ends within a number"))
    return runs
