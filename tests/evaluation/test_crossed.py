"""Means over styles and photos: how often chance passes for a difference."""

import math

import numpy as np
import pytest
from styleroute.evaluation.crossed import crossed_mean

STYLES, PHOTOS = 5, 8


def _mean(figures: np.ndarray):
    """[S, P]."""
    return crossed_mean(dict(enumerate(figures.ravel())), figures.shape[1])


def test_of_one_style_it_is_the_plain_standard_error() -> None:
    figures = np.array([[1.0, 2.0, 4.0, 5.0]])
    found = _mean(figures)
    assert (found.value, found.freedom) == (3, 3)
    assert found.error == pytest.approx(figures.std(ddof=1) / 2)


@pytest.mark.parametrize("axis", [0, 1])
def test_figures_that_differ_by_style_or_by_photo_alone_count_once_each(axis: int) -> None:
    each = np.array([1.0, 2.0, 4.0, 5.0])
    figures = np.repeat(np.expand_dims(each, axis), 4, axis)
    assert _mean(figures).error == pytest.approx(each.std(ddof=1) / 2)


@pytest.mark.parametrize(("style", "photo"), [(0.0, 0.0), (0.5, 0.0), (0.3, 0.2)])
def test_chance_seldom_passes_for_a_difference(style: float, photo: float) -> None:
    random = np.random.default_rng(0)
    clear = 0
    for _ in range(400):
        own, shared, rest = random.normal(size=(STYLES, 1)), random.normal(size=(1, PHOTOS)), 1 - style - photo
        each = random.normal(size=(STYLES, PHOTOS))
        clear += _mean(math.sqrt(style) * own + math.sqrt(photo) * shared + math.sqrt(rest) * each).clear
    assert clear / 400 < 0.08  # 5 % asked; plain standard errors of 40 trials pass 39 % where styles differ


def test_a_single_figure_tells_nothing() -> None:
    assert _mean(np.array([[1.0, 3.0]])).text("+.1f") == "+2.0 ± 1.0"
    found = _mean(np.array([[2.0]]))
    assert (found.text(".1f"), found.clear) == ("2.0", False)
    assert _mean(np.array([[math.nan]])).text(".1f") == ""
