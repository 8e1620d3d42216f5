"""Draws style images by their number: every number is a style of its own, with the colours of a photo."""

from collections.abc import Callable, Sequence

import numpy as np

from ..photos import Photo
from . import areas, strokes
from .canvas import Canvas, finish

KINDS: dict[str, Callable[[Canvas], np.ndarray]] = {
    "dabs": strokes.dabs,
    "hatching": strokes.hatching,
    "contours": strokes.contours,
    "dots": strokes.dots,
    "scribbles": strokes.scribbles,
    "mosaic": areas.mosaic,
    "glass": areas.glass,
    "paper cut": areas.paper_cut,
    "wash": areas.wash,
    "weave": areas.weave,
    "marbling": areas.marbling,
    "waves": areas.waves,
    "engraving": areas.engraving,
    "grain": areas.grain,
    "material": areas.material,
}
"""The kinds of drawn styles; each draws an image [S, S, 3] in 0..1."""


def draw_style(number: int, photos: Sequence[Photo], side: int) -> np.ndarray:
    """Draws the style image with this number, uint8 [side, side, 3]. The kinds take turns.

    Args:
        photos: where the colours come from; the number chooses one.
    """
    rng = np.random.default_rng(number)
    kind = list(KINDS.values())[number % len(KINDS)]
    return finish(kind(Canvas(photos[rng.integers(len(photos))], side, rng)))


def style_kind(number: int) -> str:
    """Returns the kind of the style with this number."""
    return list(KINDS)[number % len(KINDS)]
