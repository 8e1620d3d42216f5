"""How far results are from their style image: DreamSim's learned distance (StyleExpert)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..metric_models.image_batch import require_images

if TYPE_CHECKING:
    from ..metric_models import DreamSimModel


def dreamsim_distance(
    images: Sequence[np.ndarray], styles: Sequence[np.ndarray], dreamsim: "DreamSimModel"
) -> np.ndarray:
    """DreamSim's distance [N] of each result and its style image, 0 for equal images, lower is better.

    Fu et al., "DreamSim: Learning New Dimensions of Human Visual Similarity", 2023. StyleExpert prints it times 100.

    Args:
        images: results [H, W, 3] uint8.
        styles: the style image of each result.
        dreamsim: the DreamSim network.

    Raises:
        DataError: the lists differ in length, or an image is not [H, W, 3] uint8.
    """
    require_images(images, styles)
    return dreamsim.distances(images, styles).double().numpy()
