"""How well a result keeps the background for the eye: LPIPS outside the mask (RegionRoute)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..metric_models.image_batch import require_equal_lengths, require_images

if TYPE_CHECKING:
    from ..metric_models import LpipsModel


def background_lpips(
    photos: Sequence[np.ndarray],
    images: Sequence[np.ndarray],
    backgrounds: Sequence[np.ndarray],
    lpips: "LpipsModel",
) -> np.ndarray:
    """LPIPS [N] of each photo and result over the background, 0 where it is unchanged, lower is better.

    The result's object is first replaced by the photo's, so that changes of the object count nothing. The mean is over
    the background's pixels of the map of distances. The paper gives neither its masking nor its network.

    Args:
        photos: the photos [H, W, 3] uint8 before the edit.
        images: the results, in the photos' sizes.
        backgrounds: the background's pixels [H, W], bool, of each photo: `background_pixels(mask, margin=0)` for the
            paper's 1 - M. A score is 0 without background.
        lpips: the LPIPS network.

    Raises:
        DataError: the lists differ in length, or images differ in size.
    """
    require_images(photos, images)
    require_equal_lengths(photos, backgrounds)
    trios = zip(photos, images, backgrounds, strict=True)
    return np.array([_background_distance(*trio, lpips) for trio in trios], dtype=np.float64)


def _background_distance(photo: np.ndarray, image: np.ndarray, background: np.ndarray, lpips: "LpipsModel") -> float:
    if not background.any():
        return 0.0
    kept = image if image.shape != photo.shape else np.where(background[..., None], image, photo)
    return float(lpips.distance_map(photo, kept)[background].mean())
