from dataclasses import replace
from pathlib import Path

import pytest
from styleroute.errors import TrainingError
from styleroute.evaluation.images import SIDE, open_image, readable
from styleroute.evaluation.styles.trials import choose_trials, sheet_references


def test_every_style_is_tried_on_the_same_photos(triplets) -> None:
    trials = choose_trials(triplets, seen=False, photos=2)
    assert trials.styles == ["red", "lime"]
    assert [(row.style, row.content_name) for row in trials.triplets] == [
        ("red", "cat"), ("red", "dog"), ("lime", "cat"), ("lime", "dog"),
    ]  # fmt: skip
    assert len(trials.teacher) == 8


def test_seen_styles_are_tried_on_unseen_photos(triplets) -> None:
    assert choose_trials(triplets, seen=True, photos=1).styles == ["blue"]


def test_a_second_image_of_a_photo_and_a_photo_that_lacks_a_style_are_passed_over(triplets) -> None:
    rows = [replace(row, content_name="cat") if row.content_name == "dog" else row for row in triplets]
    rows = [row for row in rows if (row.style, row.content_name) != ("lime", "owl")]
    trials = choose_trials(rows, seen=False, photos=9)
    assert [photo.name for photo in trials.photos] == ["0.png", "3.png"]


def test_too_few_photos_are_told_of(triplets, capsys) -> None:
    choose_trials(triplets, seen=False, photos=9)
    assert "Only 4 photos" in capsys.readouterr().out


def test_a_data_set_without_unseen_styles_is_refused(triplets) -> None:
    with pytest.raises(TrainingError, match="no unseen style"):
        choose_trials([row for row in triplets if row.seen_style], seen=False, photos=1)


def test_the_sheets_style_image_shows_none_of_its_photos(triplets) -> None:
    references = sheet_references(choose_trials(triplets, seen=False, photos=4))
    assert {style: path.name for style, path in references.items()} == {"red": "3.png", "lime": "3.png"}


def test_broken_images_leave_their_triplets_out(triplets, capsys) -> None:
    broken: Path = triplets[0].stylised
    broken.write_bytes(broken.read_bytes()[:60])
    # It is also the reference of the last photo's.
    assert len(readable(triplets)) == len(triplets) - 2
    said = capsys.readouterr().out
    assert "2 triplets with 1 broken" in said
    assert broken.name in said


def test_images_are_brought_to_the_models_size(triplets) -> None:
    assert open_image(triplets[0].content).shape == (SIDE, SIDE, 3)
