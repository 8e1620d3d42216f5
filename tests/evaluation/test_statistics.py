"""Clustered means: standard errors with known answers, and how often chance looks significant."""

import math

import numpy as np
import pytest
from styleroute.evaluation.statistics import clustered_mean

STYLES, PHOTOS = 5, 8


def _mean(values: np.ndarray):
    """The clustered mean of values [S, P]."""
    return clustered_mean(dict(enumerate(values.ravel())), values.shape[1])


def test_one_style_has_the_plain_standard_error() -> None:
    values = np.array([[1.0, 2.0, 4.0, 5.0]])
    found = _mean(values)
    assert (found.value, found.degrees_of_freedom) == (3, 3)
    assert found.standard_error == pytest.approx(values.std(ddof=1) / 2)


@pytest.mark.parametrize("axis", [0, 1])
def test_values_that_differ_only_by_style_or_by_photo_count_once_per_cluster(axis: int) -> None:
    each = np.array([1.0, 2.0, 4.0, 5.0])
    values = np.repeat(np.expand_dims(each, axis), 4, axis)
    assert _mean(values).standard_error == pytest.approx(each.std(ddof=1) / 2)


@pytest.mark.parametrize(("style", "photo"), [(0.0, 0.0), (0.5, 0.0), (0.3, 0.2)])
def test_chance_is_seldom_significant(style: float, photo: float) -> None:
    random = np.random.default_rng(0)
    significant = 0
    for _ in range(400):
        own, shared, rest = random.normal(size=(STYLES, 1)), random.normal(size=(1, PHOTOS)), 1 - style - photo
        each = random.normal(size=(STYLES, PHOTOS))
        significant += _mean(math.sqrt(style) * own + math.sqrt(photo) * shared + math.sqrt(rest) * each).is_significant
    assert significant / 400 < 0.08  # 5 % expected; plain standard errors of 40 trials give 39 % if styles differ


def test_a_single_value_is_never_significant() -> None:
    assert _mean(np.array([[1.0, 3.0]])).text("+.1f") == "+2.0 ± 1.0"
    found = _mean(np.array([[2.0]]))
    assert (found.text(".1f"), found.is_significant) == ("2.0", False)
    assert _mean(np.array([[math.nan]])).text(".1f") == ""
