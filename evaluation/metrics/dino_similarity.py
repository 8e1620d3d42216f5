"""How well results keep their content: similarity of DINO's image vectors (StyleExpert)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..metric_models.image_batch import cosines, require_images

if TYPE_CHECKING:
    from ..metric_models import DinoModel


def dino_similarity(images: Sequence[np.ndarray], contents: Sequence[np.ndarray], dino: "DinoModel") -> np.ndarray:
    """The cosine [N], -1 to 1, of DINO's class tokens of each result and its content image; 1 for equal images.

    A result whose materials change scores lower, also if its shapes stay. StyleExpert prints the cosine times 100.

    Args:
        images: results [H, W, 3] uint8.
        contents: the content image of each result.
        dino: a DINO, DINOv2 or DINOv3.

    Raises:
        DataError: the lists differ in length, or an image is not [H, W, 3] uint8.
    """
    require_images(images, contents)
    return cosines(dino.image_vectors(images), dino.image_vectors(contents))
