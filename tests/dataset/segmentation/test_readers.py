"""COCO, Pascal VOC and BIG are read from their own layouts; missing or damaged files give one plain sentence."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from styleroute.dataset.segmentation import read_dataset
from styleroute.errors import DataError

from .folders import CHAIR, DOG, HEIGHT, WIDTH, make_big, make_coco, make_voc, mask_of

MAKERS = {"coco": make_coco, "voc": make_voc, "big": make_big}


def contents(name: str, folder: Path) -> dict[str, list[tuple[str, bool]]]:
    photos = read_dataset(name, MAKERS[name](folder))
    return {photo.name: [(one.name, one.is_group) for one in photo.objects()] for photo in photos}


def test_coco_has_its_annotated_photos_and_objects(tmp_path: Path) -> None:
    assert contents("coco", tmp_path / "coco") == {
        "000000000139": [("dog", False), ("chair", False)],
        "000000000285": [("dog", False), ("dog", False)],
        "000000000632": [("person", True)],
    }


def test_voc_names_classes_as_in_prompts_and_drops_borders(tmp_path: Path) -> None:
    assert contents("voc", tmp_path / "voc") == {
        "2007_000033": [("dog", False), ("dining table", False)],
        "2007_000042": [("dog", False), ("dog", False)],
    }


def test_big_reads_the_class_from_the_name(tmp_path: Path) -> None:
    assert contents("big", tmp_path / "big") == {"dog_3": [("dog", False)], "tv_1": [("tv", False)]}


@pytest.mark.parametrize("name", MAKERS)
def test_masks_are_exact(name: str, tmp_path: Path) -> None:
    first, *others = read_dataset(name, MAKERS[name](tmp_path))
    second = others[0].objects()[0] if name == "big" else first.objects()[1]
    np.testing.assert_array_equal(first.objects()[0].mask(), mask_of(DOG))
    np.testing.assert_array_equal(second.mask(), mask_of(CHAIR))


@pytest.mark.parametrize("name", MAKERS)
def test_a_photo_is_where_the_dataset_says(name: str, tmp_path: Path) -> None:
    for photo in read_dataset(name, MAKERS[name](tmp_path)):
        assert Image.open(photo.path).size == (WIDTH, HEIGHT)


def test_voc_is_found_at_each_level(tmp_path: Path) -> None:
    make_voc(tmp_path)
    for folder in (tmp_path, tmp_path / "VOCdevkit", tmp_path / "VOCdevkit" / "VOC2012"):
        assert len(read_dataset("voc", folder)) == 2


@pytest.mark.parametrize(
    ("name", "gone", "message"),
    [
        ("coco", "annotations/instances_val2017.json", "instances_val2017.json is missing, expected COCO"),
        ("voc", "VOCdevkit/VOC2012/ImageSets/Segmentation/val.txt", "val.txt is missing, expected Pascal VOC"),
        ("big", "test/dog_3_gt.png", "dog_3_gt.png is missing, expected a mask"),
    ],
)
def test_a_missing_file_is_named(name: str, gone: str, message: str, tmp_path: Path) -> None:
    (MAKERS[name](tmp_path) / gone).unlink()
    with pytest.raises(DataError, match=message):
        read_dataset(name, tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "has no lists images, annotations, categories"),
        (json.dumps({"images": [], "annotations": [{}], "categories": []}), "unexpected entry"),
        (json.dumps({"images": [], "annotations": [], "categories": []}), "has no photo with an object"),
    ],
)
def test_damaged_coco_annotations_are_refused(text: str, message: str, tmp_path: Path) -> None:
    annotations = make_coco(tmp_path) / "annotations" / "instances_val2017.json"
    annotations.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_dataset("coco", tmp_path)


def test_damaged_voc_masks_are_refused(tmp_path: Path) -> None:
    root = make_voc(tmp_path) / "VOCdevkit" / "VOC2012"
    first, second = read_dataset("voc", tmp_path)
    (root / "SegmentationObject" / "2007_000033.png").write_bytes(b"no image")
    with pytest.raises(DataError, match="cannot be read as an image"):
        first.objects()
    Image.new("P", (8, 8)).save(root / "SegmentationClass" / "2007_000042.png")
    with pytest.raises(DataError, match="expected equal sizes"):
        second.objects()
    Image.new("P", (WIDTH, HEIGHT)).save(root / "SegmentationClass" / "2007_000042.png")
    with pytest.raises(DataError, match="has no class in SegmentationClass"):
        second.objects()
    Image.new("RGB", (WIDTH, HEIGHT)).save(root / "SegmentationObject" / "2007_000042.png")
    with pytest.raises(DataError, match="expected a palette or 8-bit grey PNG"):
        second.objects()


def test_a_name_without_a_class_and_a_foreign_folder_are_refused(tmp_path: Path) -> None:
    make_big(tmp_path)
    with pytest.raises(DataError, match="has no photo"):
        read_dataset("big", tmp_path, "val")
    for end in ("_im.jpg", "_gt.png"):
        (tmp_path / "test" / f"dog_3{end}").rename(tmp_path / "test" / f"thing{end}")
    with pytest.raises(DataError, match=r"thing_im\.jpg holds no class"):
        read_dataset("big", tmp_path)
    with pytest.raises(DataError, match="expected coco, voc, big"):
        read_dataset("ade", tmp_path)
