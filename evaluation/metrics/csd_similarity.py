"""How well results take their style: similarity of Contrastive Style Descriptors (StyleExpert)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..metric_models.image_batch import cosines, require_images

if TYPE_CHECKING:
    from ..metric_models import CsdModel


def csd_similarity(images: Sequence[np.ndarray], styles: Sequence[np.ndarray], csd: "CsdModel") -> np.ndarray:
    """The cosine [N], -1 to 1, of the style vectors of each result and its style image; 1 for equal images.

    Somepalli et al., "Measuring Style Similarity in Diffusion Models", 2024. StyleExpert prints it times 100.

    Args:
        images: results [H, W, 3] uint8.
        styles: the style image of each result.
        csd: the CSD network.

    Raises:
        DataError: the lists differ in length, or an image is not [H, W, 3] uint8.
    """
    require_images(images, styles)
    return cosines(csd.image_vectors(images), csd.image_vectors(styles))
