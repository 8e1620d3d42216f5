"""Whether two objects in one image have exchanged their styles."""

import numpy as np

from .style_vector import cosine_similarity


def is_swapped(vector: np.ndarray, own: np.ndarray, other: np.ndarray) -> bool:
    """Whether an object's style vector [D] is nearer to the other object's style than to its own.

    Args:
        vector: the style vector of the object in the result.
        own: the style vector of the same object, correctly in its own style.
        other: the style vector of the same object, correctly in the style of the other object.
    """
    return cosine_similarity(vector, other) > cosine_similarity(vector, own)
