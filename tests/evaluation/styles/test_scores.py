"""Scores of handmade images, whose order is known."""

import io

import numpy as np
import pytest
from rich.console import Console
from styleroute.evaluation.images import open_image
from styleroute.evaluation.method_scores import MethodScores
from styleroute.evaluation.styles.baselines import (
    COLOUR,
    COLOUR_VAE,
    PHOTO,
    TEACHER,
    TEACHER_VAE,
    ceilings,
    lower_baselines,
)
from styleroute.evaluation.styles.scores import StyleScore, StyleScorer
from styleroute.evaluation.styles.tables import style_tables
from styleroute.evaluation.styles.teacher_textures import TeacherTextures
from styleroute.evaluation.styles.trials import choose_trials
from styleroute.evaluation.vae_round_trip import small_vae_round_trip


@pytest.fixture
def scorer(triplets, network, statistics) -> StyleScorer:
    trials = choose_trials(triplets, seen=False, photos=2)
    return StyleScorer(trials, network, TeacherTextures(trials, statistics, lambda image: image))


def score_baselines(scorer: StyleScorer, round_trip) -> dict[str, MethodScores]:
    images = {**lower_baselines(scorer.trials, round_trip), **ceilings(scorer.trials, round_trip)}
    return {name: scorer.score_method(name, found) for name, found in images.items()}


def test_the_teacher_is_the_ceiling_and_the_photo_the_floor(scorer) -> None:
    rows = score_baselines(scorer, lambda image: image)
    assert list(rows) == [PHOTO, COLOUR, COLOUR_VAE, TEACHER_VAE, TEACHER]
    teacher, photo = rows[TEACHER], rows[PHOTO]
    copies = enumerate(open_image(row.stylised, scorer.trials.side) for row in scorer.trials.triplets)
    assert teacher.scores == rows[TEACHER_VAE].scores == scorer.score_method("copies", copies).scores
    assert teacher.mean("ms_ssim").value == pytest.approx(1, abs=1e-5)
    assert (teacher.mean("l1").value, teacher.mean("l1").standard_error) == (0, 0)
    assert teacher.mean("own_style").value == teacher.mean("own_texture").value == 1
    assert teacher.mean("texture_distance").value == teacher.mean("colour_distance").value == 0
    assert photo.mean("texture_distance").value > rows[COLOUR].mean("texture_distance").value > 0
    assert photo.mean("edges_kept").value == pytest.approx(1)
    assert photo.mean("style_similarity").value < rows[COLOUR].mean("style_similarity").value
    assert photo.mean("style_similarity").value < teacher.mean("style_similarity").value


def test_an_image_in_another_style_is_not_closest_to_its_own_style(scorer) -> None:
    red, lime = scorer.trials.triplets[0], scorer.trials.triplets[2]
    own, other = (scorer.score(open_image(row.stylised, scorer.trials.side), red) for row in (red, lime))
    assert (own.own_style, own.own_texture) == (1, 1)
    assert (other.own_style, other.own_texture) == (0, 0)


def test_the_round_trip_changes_only_its_own_rows(scorer) -> None:
    rows = score_baselines(scorer, lambda image: image // 2)
    assert rows[TEACHER].mean("l1").value == 0
    assert rows[TEACHER_VAE].mean("l1").value > 0.1
    assert rows[COLOUR_VAE].mean("l1").value != rows[COLOUR].mean("l1").value


def test_the_small_vae_returns_nearly_the_same_image(triplets) -> None:
    image = open_image(triplets[0].content)
    decoded = small_vae_round_trip()(image)
    assert decoded.shape == image.shape
    assert decoded.dtype == np.uint8
    assert 0 < np.abs(decoded.astype(float) - image).mean() < 20


def test_the_mean_is_over_trials_and_the_seeds_of_a_trial_count_once() -> None:
    images = [StyleScore(value, *[0] * 7) for value in (1.0, 3.0, 5.0, 7.0)]
    scores = MethodScores("x", [0, 0, 1, 1], images, per_style=2)
    assert scores.mean("style_similarity").text(".1f") == "4.0 ± 2.0"
    assert scores.by_trial("style_similarity") == {0: 2.0, 1: 6.0}
    assert MethodScores("x", [0], images[:1], per_style=1).mean("style_similarity").text(".1f") == "1.0"


def test_the_table_shows_every_method_with_its_images(scorer) -> None:
    methods = list(score_baselines(scorer, lambda image: image).values())
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(*style_tables(methods, "unseen", scorer.trials, {TEACHER: 1200, PHOTO: None}))
    shown = " ".join(console.export_text().split())
    assert all(shown.count(method.name) >= 2 for method in methods)
    assert "2 unseen styles, unseen photos, 256 x 256 pixels: style" in shown
    assert "Styles: red, lime." in shown
    assert "nearest style by that distance, of 2 styles, is their own" in shown
    assert shown.count("1,200") == 2
    assert "± nan" not in shown
    assert np.isfinite(methods[0].values("style_similarity")).all()
