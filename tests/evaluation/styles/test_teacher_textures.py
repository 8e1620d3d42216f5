"""Distances to the teacher's textures, with mean colours as textures."""

import pytest
from styleroute.evaluation.images import LEAST_SIDE, open_image
from styleroute.evaluation.styles import teacher_textures
from styleroute.evaluation.styles.teacher_textures import TeacherTextures
from styleroute.evaluation.styles.trials import choose_trials


def unchanged(image):
    return image


@pytest.fixture
def trials(triplets):
    return choose_trials(triplets, seen=False, photos=1, styles=1)


def test_the_nearest_style_is_among_all_styles_and_other_contents(trials, triplets, statistics) -> None:
    textures = TeacherTextures(trials, statistics, unchanged)
    red, lime = (next(row for row in triplets if row.style == style) for style in ("red", "lime"))
    assert trials.styles == ["red"]
    for row in (red, lime):
        assert textures.nearest_style(statistics(open_image(row.stylised, LEAST_SIDE)), row.content_name) == row.style
    assert textures.distance(statistics(open_image(red.stylised, LEAST_SIDE)), red) == 0
    assert textures.distance(statistics(open_image(lime.stylised, LEAST_SIDE)), red) > 1


def test_each_style_shows_its_texture_on_a_limited_number_of_contents(triplets, statistics, monkeypatch) -> None:
    monkeypatch.setattr(teacher_textures, "CONTENTS", 2)
    read = []
    trials = choose_trials(triplets, seen=False, photos=1)
    textures = TeacherTextures(trials, lambda image: read.append(image) or statistics(image), unchanged)
    assert len(read) == 4  # two styles on two contents
    assert textures.nearest_style(statistics(read[0]), without="dog") in trials.styles


def test_without_another_content_no_style_is_the_nearest(triplets, statistics) -> None:
    cats = [row for row in triplets if row.content_name == "cat"]
    textures = TeacherTextures(choose_trials(cats, seen=False, photos=1), statistics, unchanged)
    assert textures.nearest_style(statistics(open_image(cats[0].stylised, LEAST_SIDE)), "cat") is None


def test_the_teachers_images_pass_through_the_vae_and_are_read_once(trials, triplets, statistics, tmp_path) -> None:
    row, first = trials.triplets[0], TeacherTextures(trials, statistics, lambda image: image // 2, tmp_path)
    halved = statistics(open_image(row.stylised, LEAST_SIDE) // 2)
    assert first.distance(halved, row) == 0 < first.distance(statistics(open_image(row.stylised, LEAST_SIDE)), row)

    def fail(image):
        raise AssertionError("the texture is kept")

    assert TeacherTextures(trials, fail, fail, tmp_path).distance(halved, row) == 0
