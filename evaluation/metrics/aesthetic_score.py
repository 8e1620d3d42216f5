"""How people would rate results: LAION's aesthetic score (StyleExpert)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ..metric_models import AestheticModel


def aesthetic_score(images: Sequence[np.ndarray], aesthetic: "AestheticModel") -> np.ndarray:
    """The predicted rating [N] of each image, about 1 to 10. Photos score about 5.

    Schuhmann, LAION-Aesthetics predictor, 2022.

    Args:
        images: images [H, W, 3] uint8.
        aesthetic: the predictor with its CLIP.

    Raises:
        DataError: an image is not [H, W, 3] uint8.
    """
    return aesthetic.scores(images).double().numpy()
