"""The chosen object is the largest fitting one; the order of photos depends on the seed alone."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from styleroute.dataset.segmentation import ObjectChoice, choose_objects, read_dataset
from styleroute.errors import DataError

from .folders import make_big, make_coco, make_voc

SMALL = ObjectChoice(side=48)


def test_the_largest_object_of_a_single_class_is_chosen(tmp_path: Path) -> None:
    photos = read_dataset("coco", make_coco(tmp_path))
    (chosen,) = choose_objects(photos, 1, choice=SMALL)
    assert (chosen.photo, chosen.name) == ("000000000139", "dog")
    expected = np.zeros((48, 48), bool)
    expected[8:40, 8:32] = True  # the middle square starts at column 8
    np.testing.assert_array_equal(chosen.mask, expected)
    middle = Image.open(photos[0].path).crop((8, 0, 56, 48))
    np.testing.assert_array_equal(chosen.image, np.asarray(middle))


def test_a_smaller_object_is_chosen_if_the_largest_is_too_large(tmp_path: Path) -> None:
    photos = read_dataset("voc", make_voc(tmp_path))
    (chosen,) = choose_objects(photos, 1, choice=ObjectChoice(most_share=0.2, side=48))
    assert chosen.name == "dining table"


def test_two_of_a_class_may_be_allowed_and_groups_never_are(tmp_path: Path) -> None:
    photos = read_dataset("coco", make_coco(tmp_path))
    chosen = list(choose_objects(photos, 2, choice=ObjectChoice(one_of_class=False, side=48)))
    assert {one.photo for one in chosen} == {"000000000139", "000000000285"}
    with pytest.raises(DataError, match="Found 1 photos with a fitting object among 3, expected 2"):
        list(choose_objects(photos, 2, choice=SMALL))


def test_the_seed_decides_the_order(tmp_path: Path) -> None:
    photos = read_dataset("big", make_big(tmp_path))
    orders = [[one.photo for one in choose_objects(photos, 2, seed, SMALL)] for seed in (0, 0, 1, 2, 3, 4)]
    assert orders[0] == orders[1]
    assert len({tuple(order) for order in orders}) == 2


def test_a_photo_of_another_size_than_its_masks_is_refused(tmp_path: Path) -> None:
    photos = read_dataset("coco", make_coco(tmp_path))
    Image.new("RGB", (32, 32)).save(photos[0].path)
    with pytest.raises(DataError, match="32 x 32 pixels, its masks have 64 x 48"):
        list(choose_objects(photos, 1, choice=SMALL))
    photos[0].path.unlink()
    with pytest.raises(DataError, match="There is no image"):
        list(choose_objects(photos, 1, choice=SMALL))


@pytest.mark.parametrize("values", [{"least_share": 0}, {"least_share": 0.7}, {"most_share": 1}, {"side": 40}])
def test_impossible_rules_are_refused(values: dict) -> None:
    with pytest.raises(DataError, match="expected"):
        ObjectChoice(**values)
