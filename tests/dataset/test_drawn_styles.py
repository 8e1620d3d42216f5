"""Drawn style images: equal bytes for equal numbers, every kind of its own, and colours from the photo."""

import numpy as np
import pytest
from styleroute.dataset.drawn_styles.draw import KINDS, draw_style, style_kind


def test_a_number_always_draws_the_same_image_and_others_differ(photo) -> None:
    first, again, other = (draw_style(number, [photo], 48) for number in (0, 0, len(KINDS)))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert style_kind(0) == style_kind(len(KINDS)) == "dabs"


@pytest.mark.parametrize("number", range(len(KINDS)), ids=list(KINDS))
def test_every_kind_draws_a_whole_image_with_structure(photo, number: int) -> None:
    image = draw_style(number, [photo], 96)
    assert image.shape == (96, 96, 3)
    assert image.dtype == np.uint8
    # A flat image would be no style.
    assert image.std() > 3


def test_the_colours_come_from_the_photo(photo) -> None:
    """A photo without blue gives marbled paper without blue."""
    from styleroute.dataset.photos import Photo

    red = Photo("red", photo.pixels * np.uint8([1, 0, 0]))
    number = list(KINDS).index("marbling")
    assert draw_style(number, [red], 64)[..., 1:].max() == 0
    assert draw_style(number, [red], 64)[..., 0].max() > 0
