"""How well results keep their content: similarity of CLIP's image vectors (StyleExpert)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..metric_models.image_batch import cosines, require_images

if TYPE_CHECKING:
    from ..metric_models import ClipModel


def clip_similarity(images: Sequence[np.ndarray], contents: Sequence[np.ndarray], clip: "ClipModel") -> np.ndarray:
    """The cosine [N], -1 to 1, of CLIP's vectors of each result and its content image; 1 for equal images.

    StyleExpert prints it times 100.

    Args:
        images: results [H, W, 3] uint8.
        contents: the content image of each result.
        clip: the CLIP.

    Raises:
        DataError: the lists differ in length, or an image is not [H, W, 3] uint8.
    """
    require_images(images, contents)
    return cosines(clip.image_vectors(images), clip.image_vectors(contents))
