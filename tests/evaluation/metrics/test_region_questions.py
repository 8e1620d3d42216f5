"""RegionRoute's four questions: their words, their order with a scripted model, and real classes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from styleroute.errors import DataError
from styleroute.evaluation.metric_models import VisionLanguageModel
from styleroute.evaluation.metrics import region_questions
from styleroute.evaluation.metrics.region_questions import (
    BACKGROUND,
    OBJECT,
    OPPOSITE_OF_OTHERS,
    OPPOSITE_STYLES,
)

from ..scripted_vlm import ScriptedVlm

COLOURS = {"redness": 0, "blueness": 2}
OPPOSITES = {"redness": "blueness", "blueness": "redness"}


def by_colour(images: Sequence[np.ndarray], question: str) -> float:
    """The share of the style's colour in the middle square, or around it."""
    (image,) = images
    middle = np.zeros(image.shape[:2], bool)
    middle[16:48, 16:48] = True
    channel = next(channel for style, channel in COLOURS.items() if style in question)
    return float(image[~middle if "background" in question else middle, channel].mean() / 255)


def styled(inside: tuple[int, int, int], outside: tuple[int, int, int]) -> np.ndarray:
    image = np.full((64, 64, 3), outside, np.uint8)
    image[16:48, 16:48] = inside
    return image


def test_a_local_style_a_global_one_the_photo_and_the_opposite_are_told_apart() -> None:
    red, blue, grey = (255, 0, 0), (0, 0, 255), (60, 60, 60)
    images = [styled(red, grey), styled(red, red), styled(grey, grey), styled(blue, grey)]
    found = region_questions(images, ["dog"] * 4, ["redness"] * 4, ScriptedVlm(by_colour), OPPOSITES)
    local, everywhere, photo, opposite = range(4)
    assert found.object_in_style[local] == found.object_in_style[everywhere] == 1
    assert found.background_in_style[local] < found.background_in_style[everywhere]
    assert found.object_in_style[photo] < found.object_in_style[local]
    assert found.object_in_opposite[opposite] == 1
    assert found.object_in_opposite[local] == 0
    assert found.background_in_opposite.max() < 0.3
    swapped = region_questions(images[:1], ["dog"], ["blueness"], ScriptedVlm(by_colour), OPPOSITES)
    assert (swapped.object_in_style[0], swapped.object_in_opposite[0]) == (0, 1)


def test_the_questions_name_object_style_and_opposite() -> None:
    vlm, image = ScriptedVlm(lambda images, question: 0.5, mass=0.8), styled((0, 0, 0), (0, 0, 0))
    found = region_questions([image, image], ["dog", "red car"], ["Line art", "ukiyo-e"], vlm)
    assert vlm.questions == [
        OBJECT.format(object="dog", style="Line art"),
        OBJECT.format(object="red car", style="ukiyo-e"),
        BACKGROUND.format(object="dog", style="Line art"),
        BACKGROUND.format(object="red car", style="ukiyo-e"),
        OBJECT.format(object="dog", style=OPPOSITE_STYLES["line art"]),
        OBJECT.format(object="red car", style=OPPOSITE_OF_OTHERS),
        BACKGROUND.format(object="dog", style=OPPOSITE_STYLES["line art"]),
        BACKGROUND.format(object="red car", style=OPPOSITE_OF_OTHERS),
    ]
    np.testing.assert_allclose(found.mass, 0.8)


def test_every_style_of_the_paper_has_an_opposite() -> None:
    assert OPPOSITE_STYLES.keys() == {"pixel art", "cyberpunk", "expressionism", "line art"}
    assert not OPPOSITE_STYLES.keys() & set(OPPOSITE_STYLES.values())


def test_real_classes_give_the_probability_of_yes(vlm_folder: Path, metric_images) -> None:
    vlm = VisionLanguageModel.load(vlm_folder, device="cpu")
    names, styles = ["cat", "tea pot"], ["pixel art", "line art"]
    found = region_questions(metric_images[:2], names, styles, vlm)
    question = BACKGROUND.format(object="tea pot", style=OPPOSITE_STYLES["line art"])
    expected = vlm.ask([[metric_images[1]]], [question]).answers[0, 0]
    assert found.background_in_opposite[1] == pytest.approx(expected, abs=1e-4)
    alone = region_questions(metric_images[:1], names[:1], styles[:1], vlm)
    assert alone.object_in_style[0] == pytest.approx(found.object_in_style[0], abs=1e-4)
    with torch.autocast("cpu", torch.bfloat16):
        close = region_questions(metric_images[:2], names, styles, vlm)
    np.testing.assert_allclose(close.object_in_style, found.object_in_style, atol=0.1)


def test_empty_names_are_refused(metric_images) -> None:
    with pytest.raises(DataError, match="The name of an object or style is empty"):
        region_questions(metric_images[:1], [" "], ["pixel art"], ScriptedVlm(by_colour))
