"""RegionRoute's four yes/no questions to a vision-language model: is the style on the object, and only there?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...errors import DataError
from ..metric_models.image_batch import require_equal_lengths, require_images

if TYPE_CHECKING:
    from ..metric_models import VisionLanguageModel

OPPOSITE_STYLES: Mapping[str, str] = {
    "pixel art": "smooth oil painting",
    "cyberpunk": "classical watercolour",
    "expressionism": "photorealism",
    "line art": "thick oil painting",
}
"""By RegionRoute's four styles: a style that looks the least like it. The paper does not name them: these are ours."""
OPPOSITE_OF_OTHERS = "photorealism"
"""The opposite of every other style: all styles of painting and drawing change a photo."""

OBJECT = "Is the {object} in this image in the style of {style}? Answer with yes or no."
BACKGROUND = (
    "Look at the background only, which is everything but the {object}. Is it in the style of {style}? "
    "Answer with yes or no."
)


@dataclass(frozen=True)
class RegionAnswers:
    """The probability of "yes" for each of the four questions and each image, all [N].

    Attributes:
        object_in_style: the paper's Q1; higher is better.
        background_in_style: Q2; lower is better.
        object_in_opposite: Q3; lower is better.
        background_in_opposite: Q4; lower is better.
        mass: the mean probability, over the four questions, that the model begins with "yes" or "no" at all.
    """

    object_in_style: np.ndarray
    background_in_style: np.ndarray
    object_in_opposite: np.ndarray
    background_in_opposite: np.ndarray
    mass: np.ndarray


def region_questions(
    images: Sequence[np.ndarray],
    objects: Sequence[str],
    styles: Sequence[str],
    vlm: "VisionLanguageModel",
    opposites: Mapping[str, str] = OPPOSITE_STYLES,
) -> RegionAnswers:
    """Ask whether object and background are in the style, and in the opposite style.

    Args:
        images: results [H, W, 3] uint8.
        objects: the name of each styled object, such as "dog".
        styles: the name of each object's style, such as "pixel art".
        vlm: the vision-language model.
        opposites: the opposite of each style; `OPPOSITE_OF_OTHERS` for a style that is not in it.

    Raises:
        DataError: the lists differ in length, an image is not [H, W, 3] uint8, or a name is empty.
    """
    require_images(images)
    require_equal_lengths(images, objects, styles)
    if not all(name.strip() for name in (*objects, *styles)):
        raise DataError("The name of an object or style is empty, expected words such as 'dog': give all names.")
    against = [opposites.get(style.strip().lower(), OPPOSITE_OF_OTHERS) for style in styles]
    shown = [[image] for image in images]
    found = []
    for words, question in ((styles, OBJECT), (styles, BACKGROUND), (against, OBJECT), (against, BACKGROUND)):
        asked = [question.format(object=name, style=style) for name, style in zip(objects, words, strict=True)]
        found.append(vlm.yes_probability(shown, asked))
    return RegionAnswers(*(one.answers[:, 0] for one in found), mass=np.mean([one.mass for one in found], axis=0))
