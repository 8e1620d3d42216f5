"""Scores of images with styled objects: the teacher's image is perfect, other images lose what they should lose."""

import numpy as np
import pytest
from styleroute.evaluation.images import open_image
from styleroute.evaluation.objects.config import ObjectEvaluationConfig
from styleroute.evaluation.objects.scores import TrialScorer
from styleroute.evaluation.objects.trials import make_trials, read_mask

from .conftest import tint


@pytest.fixture
def scorer(two, network) -> TrialScorer:
    return TrialScorer(two, network)


def styled(trial, styles) -> np.ndarray:
    """The photo with each object in a style."""
    photo = open_image(trial.photo)
    image = photo.astype(np.float32)
    for each, style in zip(trial.objects, styles, strict=True):
        image += read_mask(each)[..., None] * (tint(photo, style) - image)
    return image.round().astype(np.uint8)


def test_scenes_have_one_and_two_objects_with_different_styles(config):
    one, two = make_trials(config)
    assert (len(one.objects), len(two.objects)) == (1, 2)
    assert len({each.style for each in two.objects}) == 2
    assert all(each.name in two.prompt for each in two.objects)
    assert [trial.prompt for trial in make_trials(config)] == [one.prompt, two.prompt]


def test_the_teachers_image_is_right_everywhere(scorer, two):
    image = scorer.teacher()
    assert np.array_equal(image, styled(two, [each.style for each in two.objects]))
    score = scorer.score(image, {})
    assert (score.own_style, score.all_right, score.swapped) == (1.0, 1.0, 0.0)
    assert score.style == pytest.approx(1.0, abs=1e-3)
    assert (score.background_mse, score.background_ssim) == pytest.approx((0.0, 1.0))
    assert np.isnan(score.iou)


def test_swapped_styles_are_wrong_and_swapped(scorer, two):
    score = scorer.score(styled(two, [each.style for each in reversed(two.objects)]), {})
    assert (score.own_style, score.all_right, score.swapped) == (0.0, 0.0, 1.0)


def test_one_right_object_of_two(scorer, two):
    score = scorer.score(styled(two, [two.objects[0].style] * 2), {})
    assert (score.own_style, score.all_right, score.swapped) == (0.5, 0.0, 0.5)


def test_the_photo_has_no_style(scorer, two):
    score = scorer.score(open_image(two.photo), {})
    assert (score.own_style, score.all_right) == (0.0, 0.0)


def test_a_changed_background_does_not_count_as_style(scorer, two):
    image = styled(two, [each.style for each in two.objects])
    outside = np.maximum.reduce([read_mask(each) for each in two.objects]) == 0
    image[outside] = 0
    score = scorer.score(image, {})
    assert score.own_style == 1.0
    assert score.background_mse > 0.05


def test_maps_on_the_objects_have_a_high_iou(scorer, two):
    cells = {each.name: read_mask(each).reshape(16, 16, 16, 16).mean((1, 3)) for each in two.objects}
    swapped = dict(zip(cells, reversed(cells.values()), strict=True))
    image = open_image(two.photo)
    assert scorer.score(image, cells).iou > 0.8
    assert scorer.score(image, swapped).iou < 0.1


def test_one_object_has_no_swaps(config: ObjectEvaluationConfig, network):
    one = make_trials(config)[0]
    assert np.isnan(TrialScorer(one, network).score(open_image(one.photo), {}).swapped)
