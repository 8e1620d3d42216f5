"""The styles of stylised scenes: the painting teacher's named styles, and the styles of drawn images."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import overload

import numpy as np

from .drawn_styles.draw import draw_style, style_kind
from .image_teacher import style_vector, stylise_like
from .photos import Photo
from .teacher import STYLES, stylise
from .triplet_writer import TripletStyle

MOST_DRAWN = 10_000
"""Upper limit for the number of drawn styles of a split."""

DRAWN_IDS = {False: 10_000, True: 20_000}
"""First style id of the drawn styles of the training split (False) and of the test split (True)."""

VECTORS_KEPT, IMAGES_KEPT = 4096, 16
"""Numbers of style vectors and of style images that are kept in memory."""


@dataclass(frozen=True)
class SceneStyle:
    """A style with its name and number; ``apply`` stylises an image, uint8 [H, W, 3] to the same shape."""

    label: TripletStyle
    apply: Callable[[np.ndarray], np.ndarray]


def named_style(index: int) -> SceneStyle:
    """Returns the painting teacher's style with this id."""
    return SceneStyle(TripletStyle(STYLES[index].name, index), lambda image: stylise(image, index))


class DrawnStyles(Sequence[SceneStyle]):
    """The drawn styles of a split, by number. No number, and no photo for the colours, is in both splits."""

    def __init__(self, photos: Sequence[Photo], side: int, test: bool) -> None:
        self._photos, self._side, self._first = photos, side, DRAWN_IDS[test]
        self._image = lru_cache(IMAGES_KEPT)(self._draw)
        self._vector = lru_cache(VECTORS_KEPT)(lambda style_id: style_vector(self._image(style_id)))

    def __len__(self) -> int:
        return MOST_DRAWN

    @overload
    def __getitem__(self, index: int) -> SceneStyle: ...

    @overload
    def __getitem__(self, index: slice) -> list[SceneStyle]: ...

    def __getitem__(self, index: int | slice) -> SceneStyle | list[SceneStyle]:
        if isinstance(index, slice):
            return [self[number] for number in range(MOST_DRAWN)[index]]
        style_id = self._first + range(MOST_DRAWN)[index]
        label = TripletStyle(f"{style_kind(style_id)} {style_id}", style_id, partial(self._image, style_id))
        return SceneStyle(label, lambda image: stylise_like(image, self._vector(style_id)))

    def _draw(self, style_id: int) -> np.ndarray:
        return draw_style(style_id, self._photos, self._side)
