"""Swapped styles of two objects."""

import numpy as np
from styleroute.evaluation.metrics import is_swapped


def test_an_object_in_the_others_style_is_swapped() -> None:
    own, other = np.array([1.0, 0.1]), np.array([0.1, 1.0])
    assert not is_swapped(own, own, other)
    assert is_swapped(other, own, other)
    assert not is_swapped(own * 0.7 + other * 0.3, own, other)
    assert is_swapped(own * 0.3 + other * 0.7, own, other)
