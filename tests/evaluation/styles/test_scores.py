"""Figures of handmade images, whose order is known."""

import io

import numpy as np
import pytest
from rich.console import Console
from styleroute.evaluation.images import open_image
from styleroute.evaluation.styles.scores import (
    COLOUR,
    COLOUR_REDRAWN,
    PHOTO,
    TEACHER,
    TEACHER_REDRAWN,
    Row,
    Score,
    Scoring,
)
from styleroute.evaluation.styles.tables import score_table
from styleroute.evaluation.styles.trials import choose_trials
from styleroute.evaluation.through_vae import redraw_by_tiny_vae


@pytest.fixture
def scoring(triplets, judge) -> Scoring:
    return Scoring(choose_trials(triplets, seen=False, photos=2), judge)


def test_the_teacher_is_the_ceiling_and_the_photo_the_floor(scoring) -> None:
    copies = [(number, row.stylised) for number, row in enumerate(scoring.trials.triplets)]
    rows = {row.name: row for row in scoring.rows({"copies the teacher": copies})}
    assert list(rows) == [PHOTO, COLOUR, "copies the teacher", TEACHER]
    teacher, photo = rows[TEACHER], rows[PHOTO]
    assert teacher.scores == rows["copies the teacher"].scores
    assert teacher.mean("ms_ssim").value == pytest.approx(1, abs=1e-5)
    assert (teacher.mean("l1").value, teacher.mean("l1").error) == (0, 0)
    assert teacher.mean("own_style").value == 1
    assert photo.mean("content").value == pytest.approx(1)
    assert photo.mean("judge").value < rows[COLOUR].mean("judge").value
    assert photo.mean("judge").value < teacher.mean("judge").value


def test_a_image_in_the_other_style_is_not_near_its_own(scoring) -> None:
    red, lime = scoring.trials.triplets[0], scoring.trials.triplets[2]
    assert scoring.score(open_image(red.stylised), red).own_style == 1
    assert scoring.score(open_image(lime.stylised), red).own_style == 0


def test_rows_through_the_vae_stand_beside_the_plain_ones(triplets, judge) -> None:
    dark = Scoring(choose_trials(triplets, seen=False, photos=2), judge, redraw=lambda image: image // 2)
    rows = {row.name: row for row in dark.rows({})}
    assert list(rows) == [PHOTO, COLOUR, COLOUR_REDRAWN, TEACHER_REDRAWN, TEACHER]
    assert rows[TEACHER].mean("l1").value == 0
    assert rows[TEACHER_REDRAWN].mean("l1").value > 0.1
    assert rows[COLOUR_REDRAWN].mean("l1").value != rows[COLOUR].mean("l1").value


def test_the_small_vae_gives_back_nearly_the_same_image(triplets) -> None:
    image = open_image(triplets[0].content)
    redrawn = redraw_by_tiny_vae()(image)
    assert redrawn.shape == image.shape
    assert redrawn.dtype == np.uint8
    assert 0 < np.abs(redrawn.astype(float) - image).mean() < 20


def test_mean_and_standard_error_are_over_trials_whose_seeds_count_once() -> None:
    row = Row("x", [0, 0, 1, 1], [Score(value, 0, 0, 0, 0) for value in (1.0, 3.0, 5.0, 7.0)], photos=2)
    assert row.mean("judge").text(".1f") == "4.0 ± 2.0"
    assert row.by_trial("judge") == {0: 2.0, 1: 6.0}
    assert Row("x", [0], row.scores[:1], photos=1).mean("judge").text(".1f") == "1.0"


def test_the_table_shows_every_row_with_its_images(scoring) -> None:
    rows = scoring.rows({"nothing done": [(0, scoring.trials.triplets[0].content)]})
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(score_table(rows, "unseen", scoring.trials.styles, {"nothing done": 1200}))
    shown = console.export_text()
    assert all(row.name in shown for row in rows)
    assert "2 unseen styles, unseen photos" in shown
    assert "red, lime" in shown
    assert shown.count("1,200") == 1
    assert "± nan" not in shown
    assert np.isfinite(rows[0].values("judge")).all()
