"""Scores of an image: how much of the photo it keeps, and how much of the style it takes."""

from dataclasses import dataclass

import numpy as np

from ..images import open_image
from ..method_scores import MetricColumn
from ..metrics import colour_distance, cosine_similarity, edge_correlation
from ..metrics.style_vector import StyleVectorNetwork
from .trials import DialTrial


@dataclass(frozen=True)
class DialScore:
    """The scores of one image.

    Attributes:
        content_kept: correlation of the edges of the image and the photo.
        colour_distance: distance of the palettes of the image and the style image, in Lab units.
        style_similarity: cosine of the style vectors of the image and the style image.
    """

    content_kept: float
    colour_distance: float
    style_similarity: float


CONTENT_KEPT = MetricColumn("content_kept", "content kept")
COLOUR_DISTANCE = MetricColumn("colour_distance", "colour distance", ".1f", lower_is_better=True)
STYLE_SIMILARITY = MetricColumn("style_similarity", "style similarity")
DIAL_COLUMNS = (CONTENT_KEPT, COLOUR_DISTANCE, STYLE_SIMILARITY)


def score(image: np.ndarray, trial: DialTrial, network: StyleVectorNetwork) -> DialScore:
    """The scores of one image [H, W, 3] uint8."""
    photo, style = open_image(trial.photo), open_image(trial.style)
    return DialScore(
        content_kept=edge_correlation(photo, image),
        colour_distance=colour_distance(style, image),
        style_similarity=cosine_similarity(network(image), network(style)),
    )
