from dataclasses import replace
from pathlib import Path

import pytest
from styleroute.dataset.scenes import IMAGE_SIDE as SIDE
from styleroute.errors import TrainingError
from styleroute.evaluation.images import open_image, readable
from styleroute.evaluation.styles.trials import choose_trials, sheet_references


def test_every_style_has_the_same_photos(triplets) -> None:
    trials = choose_trials(triplets, seen=False, photos=2)
    assert trials.styles == ["red", "lime"]
    assert [(row.style, row.content_name) for row in trials.triplets] == [
        ("red", "cat"), ("red", "dog"), ("lime", "cat"), ("lime", "dog"),
    ]  # fmt: skip
    assert len(trials.teacher) == 8


def test_seen_styles_are_evaluated_on_unseen_photos(triplets) -> None:
    assert choose_trials(triplets, seen=True, photos=1).styles == ["blue"]


def test_repeated_photos_and_photos_without_all_styles_are_left_out(triplets) -> None:
    rows = [replace(row, content_name="cat") if row.content_name == "dog" else row for row in triplets]
    rows = [row for row in rows if (row.style, row.content_name) != ("lime", "owl")]
    trials = choose_trials(rows, seen=False, photos=9)
    assert [photo.name for photo in trials.photos] == ["0.png", "3.png"]


def test_too_few_photos_are_reported(triplets, capsys) -> None:
    choose_trials(triplets, seen=False, photos=9)
    assert "Only 4 photos" in capsys.readouterr().out


def test_a_dataset_without_unseen_styles_is_refused(triplets) -> None:
    with pytest.raises(TrainingError, match="no unseen style"):
        choose_trials([row for row in triplets if row.seen_style], seen=False, photos=1)


def test_the_style_image_of_the_sheet_shows_none_of_its_photos(triplets) -> None:
    references = sheet_references(choose_trials(triplets, seen=False, photos=4))
    assert {style: path.name for style, path in references.items()} == {"red": "3.png", "lime": "3.png"}


def test_broken_images_leave_their_triplets_out(triplets, capsys) -> None:
    broken: Path = triplets[0].stylised
    broken.write_bytes(broken.read_bytes()[:60])
    # The image is also the reference of the last photo's triplet.
    assert len(readable(triplets)) == len(triplets) - 2
    printed = capsys.readouterr().out
    assert "2 triplets with 1 broken" in printed
    assert broken.name in printed


def test_images_get_the_size_of_the_model(triplets) -> None:
    assert open_image(triplets[0].content).shape == (SIDE, SIDE, 3)
