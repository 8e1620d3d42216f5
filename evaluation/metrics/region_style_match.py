"""How well a styled object fits the words of its style: RegionRoute's Regional Style Matching, RSM."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...errors import DataError
from ..metric_models.image_batch import cosines, require_equal_lengths, require_images

if TYPE_CHECKING:
    from ..metric_models import ClipModel

PADDING = 0.1
"""Space around the mask's box on each side, as a share of the box's longer side. The paper says "a small padding"."""


def region_style_match(
    images: Sequence[np.ndarray],
    masks: Sequence[np.ndarray],
    styles: Sequence[str],
    clip: "ClipModel",
    padding: float = PADDING,
) -> np.ndarray:
    """RSM [N] = (1 + cos) / 2, 0 to 1, of CLIP's vectors of the object's box and of the style's words.

    Args:
        images: results [H, W, 3] uint8.
        masks: the mask [H, W] of each styled object, 0 to 1.
        styles: the words for each object's style, such as "pixel art".
        clip: the CLIP.
        padding: space around the mask's box on each side, as a share of the box's longer side.

    Raises:
        DataError: the lists differ in length, a mask is empty, or its size is not the image's.
    """
    require_images(images)
    require_equal_lengths(images, masks, styles)
    boxes = [image[mask_box(mask, padding, image.shape)] for image, mask in zip(images, masks, strict=True)]
    return (1 + cosines(clip.image_vectors(boxes), clip.text_vectors(styles))) / 2


def mask_box(mask: np.ndarray, padding: float, image: tuple[int, ...]) -> tuple[slice, slice]:
    """Rows and columns of the smallest box around a mask [H, W], with padding, cut at the image's edges.

    Args:
        mask: 0 to 1; pixels above 0.5 belong to the object.
        padding: space on each side, as a share of the box's longer side.
        image: the shape of the image, which must be the mask's.

    Raises:
        DataError: the mask is empty, or its size is not the image's.
    """
    if mask.shape != tuple(image[:2]):
        raise DataError(
            f"Found a mask of {list(mask.shape)} for an image of {list(image[:2])}, expected equal sizes: scale "
            "the mask."
        )
    spans = [np.flatnonzero((mask > 0.5).any(axis=axis)) for axis in (1, 0)]
    if not len(spans[0]):
        raise DataError("The mask of an object is empty, expected at least one pixel above 0.5: leave this image out.")
    space = round(padding * max(span[-1] - span[0] + 1 for span in spans))
    starts = [max(int(span[0]) - space, 0) for span in spans]
    ends = [min(int(span[-1]) + 1 + space, full) for span, full in zip(spans, mask.shape, strict=True)]
    return slice(starts[0], ends[0]), slice(starts[1], ends[1])
