"""TokenCompose's Grounded COCO: nouns with masks become objects, and damaged metadata is one sentence."""

import json
from pathlib import Path

import numpy as np
import pytest
from styleroute.dataset.segmentation.coco import read_coco_annotations
from styleroute.dataset.segmentation.token_compose import read_token_compose
from styleroute.errors import DataError

from .folders import CHAIR, DOG, make_coco, make_grounded_coco, mask_of

METADATA = Path("coco_gsam_img") / "train" / "metadata.jsonl"


def test_nouns_with_masks_are_the_objects(tmp_path: Path):
    photos = read_token_compose(make_grounded_coco(tmp_path))
    assert [photo.name for photo in photos] == ["000000000142", "000000000370"]
    objects = photos[0].objects()
    assert [one.name for one in objects] == ["dog", "wooden chair"]  # "top" names no object, "lap" has no mask
    for one, box in zip(objects, (DOG, CHAIR), strict=True):
        assert np.array_equal(one.mask(), mask_of(box))
    assert photos[0].path.is_file()


@pytest.mark.parametrize(
    "change",
    [
        {"file_name": "../photo.jpg"},
        {"attn_list": [["dog", "/etc/passwd"]]},
        {"attn_list": [["dog", "seg/../../x.png"]]},
        {"attn_list": "dog"},
        {"file_name": None},
    ],
)
def test_damaged_and_hostile_lines_are_named(tmp_path: Path, change: dict):
    metadata = make_grounded_coco(tmp_path) / METADATA
    first, second = metadata.read_text().splitlines()
    metadata.write_text(f"{first}\n{json.dumps(json.loads(second) | change)}\n")
    with pytest.raises(DataError, match=r"line 2, is no photo .* download TokenCompose's metadata again"):
        read_token_compose(tmp_path)


def test_missing_masks_say_what_to_unpack(tmp_path: Path):
    with pytest.raises(DataError, match=r"metadata.jsonl is missing, expected Grounded COCO"):
        read_token_compose(tmp_path)
    (make_grounded_coco(tmp_path) / "coco_gsam_seg").rename(tmp_path / "elsewhere")
    with pytest.raises(DataError, match=r"unpack coco_gsam_seg.tar there"):
        read_token_compose(tmp_path)
    (tmp_path / "elsewhere").rename(tmp_path / "seg")
    assert len(read_token_compose(tmp_path)) == 2


def test_a_coco_photo_outside_its_folder_is_refused(tmp_path: Path):
    folder = make_coco(tmp_path)
    annotations = folder / "annotations" / "instances_val2017.json"
    assert len(read_coco_annotations(annotations, folder / "val2017")) == 3
    content = json.loads(annotations.read_text())
    content["images"][1]["file_name"] = "/etc/passwd"
    annotations.write_text(json.dumps(content))
    with pytest.raises(DataError, match="'/etc/passwd' leads out of the dataset"):
        read_coco_annotations(annotations, folder / "val2017")
