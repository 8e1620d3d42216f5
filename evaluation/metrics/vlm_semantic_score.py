"""Whether a result takes the style's texture, lines and material or only its colours, by a vision-language model.

This score is ours. StyleExpert's "Qwen Semantic Score" asks for the same, but the paper leaves its formula to a
supplement, so the numbers cannot be compared with the paper's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..metric_models.image_batch import require_images

if TYPE_CHECKING:
    from ..metric_models import VisionLanguageModel

_STYLE_AND_RESULT = (
    "Image 1 is a style reference and Image 2 is a stylised image. Ignore what they show, and ignore their colours. "
)
_PHOTO_AND_RESULT = "Image 1 is the original and Image 2 is an edited version of it. "
_ANSWER = " Answer with yes or no."
TEXTURE = f"{_STYLE_AND_RESULT}Do both images have the same surface texture, such as brushstrokes or grain?{_ANSWER}"
LINE = f"{_STYLE_AND_RESULT}Are lines, edges and shapes drawn in the same way in both images?{_ANSWER}"
MATERIAL = (
    f"{_STYLE_AND_RESULT}Do both images look as if they were made of the same material, such as oil paint, paper, clay "
    f"or glass?{_ANSWER}"
)
COLOUR_ONLY = (
    f"{_PHOTO_AND_RESULT}Are texture, lines and materials of Image 2 still those of Image 1, so that at most the "
    f"colours differ?{_ANSWER}"
)
"""The four questions. The first three show the style image and the result, the last one content image and result."""


@dataclass(frozen=True)
class SemanticAnswers:
    """The probability of "yes" for each question and result, all [N].

    Attributes:
        texture, line, material: whether the result shares them with the style image.
        colour_only: whether at most the colours of the content image changed.
        mass: the mean probability, over the four questions, that the model begins with "yes" or "no" at all.
    """

    texture: np.ndarray
    line: np.ndarray
    material: np.ndarray
    colour_only: np.ndarray
    mass: np.ndarray

    @property
    def semantic(self) -> np.ndarray:
        """The mean [N] of texture, line and material."""
        return (self.texture + self.line + self.material) / 3

    @property
    def score(self) -> np.ndarray:
        """The semantic score [N], 0 to 1: (texture + line + material) / 3 * (1 - colour_only)."""
        return self.semantic * (1 - self.colour_only)


def vlm_semantic_score(
    images: Sequence[np.ndarray],
    contents: Sequence[np.ndarray],
    styles: Sequence[np.ndarray],
    vlm: "VisionLanguageModel",
) -> np.ndarray:
    """The semantic score [N], 0 to 1: 0 for a copy of the colours, 1 if texture, lines and material are the style's.

    Args:
        images: results [H, W, 3] uint8.
        contents: the content image of each result.
        styles: the style image of each result.
        vlm: the vision-language model.

    Raises:
        DataError: the lists differ in length, or an image is not [H, W, 3] uint8.
    """
    return semantic_answers(images, contents, styles, vlm).score


def semantic_answers(
    images: Sequence[np.ndarray],
    contents: Sequence[np.ndarray],
    styles: Sequence[np.ndarray],
    vlm: "VisionLanguageModel",
) -> SemanticAnswers:
    """The probabilities behind `vlm_semantic_score`, with its arguments and errors."""
    require_images(images, contents, styles)
    with_style = [[style, image] for style, image in zip(styles, images, strict=True)]
    with_content = [[content, image] for content, image in zip(contents, images, strict=True)]
    asked = ((with_style, TEXTURE), (with_style, LINE), (with_style, MATERIAL), (with_content, COLOUR_ONLY))
    found = [vlm.yes_probability(shown, [question] * len(shown)) for shown, question in asked]
    return SemanticAnswers(*(one.answers[:, 0] for one in found), mass=np.mean([one.mass for one in found], axis=0))
