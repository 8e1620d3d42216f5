"""`data grounded`, end to end: objects from annotations, stylised and blended, as `train region` reads them."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps
from styleroute.cli import main
from styleroute.dataset.region_manifest import read_manifest

from ..segmentation.folders import make_coco, make_grounded_coco, make_voc

SIZE = 32
SMALL = ("--size", str(SIZE), "--photos", "2")


def run(folder: Path, output: Path, *options: str) -> int:
    return main(["data", "grounded", str(folder), str(output), *SMALL, *options])


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def made_images(folder: Path, photos: list[Path], styles: dict[str, int]) -> Path:
    """One flat image for each photo and style, in the shape of the photo."""
    for style, level in styles.items():
        (folder / style).mkdir(parents=True)
        for photo in photos:
            Image.new("RGB", Image.open(photo).size, (level,) * 3).save(folder / style / f"{photo.stem}.png")
    return folder


def left_out(folder: Path) -> dict[str, list[str]]:
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    return {reason: part["names"] for reason, part in report.get("left_out", {}).items()}


@pytest.fixture
def grounded_coco(tmp_path: Path) -> Path:
    return make_grounded_coco(tmp_path / "coco")


@pytest.fixture
def images(grounded_coco: Path, tmp_path: Path) -> Path:
    photos = sorted((grounded_coco / "coco_gsam_img" / "train").glob("*.jpg"))
    return made_images(tmp_path / "made", photos, {"pixel-art": 0, "line_art": 255})


def test_a_folder_of_images_becomes_pseudo_ground_truth(grounded_coco: Path, images: Path, tmp_path: Path):
    output = tmp_path / "set"
    assert run(grounded_coco, output, "--images", str(images), "--styles", "pixel-art", "line art") == 0
    examples = read_manifest(output)
    assert len(examples) == 4
    for example in examples:
        [region] = example.regions
        assert example.prompt == f"make the dog in {region.style} style, keep other area unchanged"
        original, styled, mask = (pixels(path) for path in (example.original, example.styled, region.mask))
        assert set(np.unique(mask)) == {0, 255}
        assert np.array_equal(styled[mask == 0], original[mask == 0])
        assert (styled[mask == 255] == (0 if region.style == "pixel-art" else 255)).all()
    photo = grounded_coco / "coco_gsam_img" / "train" / "000000000142.jpg"
    square = np.asarray(ImageOps.fit(Image.open(photo), (SIZE, SIZE), Image.Resampling.LANCZOS))
    assert any(np.array_equal(square, pixels(example.original)) for example in examples)
    assert left_out(output) == {}
    made_with = json.loads((output / "report.json").read_text())["made_with"]
    assert (made_with["dataset"], made_with["photos"]) == ("grounded-coco", 2)


def test_the_same_seed_gives_the_same_bytes(grounded_coco: Path, images: Path, tmp_path: Path, read_all):
    for name in ("one", "two"):
        assert run(grounded_coco, tmp_path / name, "--images", str(images)) == 0
    assert read_all(tmp_path / "one") == read_all(tmp_path / "two")


def test_bad_images_are_left_out_and_their_photos_stay_usable(grounded_coco: Path, images: Path, tmp_path: Path):
    (images / "pixel-art" / "000000000142.png").write_bytes(b"no image")
    Image.new("RGB", (90, 20)).save(images / "pixel-art" / "000000000370.png")
    (images / "line_art" / "000000000370.png").unlink()
    output = tmp_path / "set"
    assert run(grounded_coco, output, "--images", str(images)) == 0
    assert left_out(output) == {
        "its stylised image is broken, or no image": ["000000000142 in pixel-art"],
        "its stylised image has another shape than the photo": ["000000000370 in pixel-art"],
        "no image in the folder line_art": ["000000000370 in line_art"],
    }
    assert len(read_manifest(output)) == 1
    # The photo without any stylised image leaves no files.
    assert len(list((output / "train" / "original").iterdir())) == 1


def test_objects_without_styles_ground_their_words(tmp_path: Path, capsys: pytest.CaptureFixture):
    folder, output = make_coco(tmp_path / "coco"), tmp_path / "set"
    assert run(folder, output, "--dataset", "coco", "--photos", "1") == 0
    [example] = read_manifest(output)
    assert (example.regions[0].object, example.regions[0].style) == ("dog", "")
    assert example.styled == example.original
    assert run(folder, tmp_path / "more", "--dataset", "coco") == 1
    assert "Found 1 photos with a fitting object among 3, expected 2 (2 x no object" in capsys.readouterr().err


def test_annotations_of_any_folder_and_hostile_masks(tmp_path: Path):
    """Polygons, runs, crowds, a damaged mask, a category that is no file name, and a second photo of one name."""
    folder = make_coco(tmp_path / "coco")
    annotations = folder / "annotations" / "instances_val2017.json"
    content = json.loads(annotations.read_text())
    for number, name in ((900, "deep/000000000139.jpg"), (901, "cut.jpg"), (902, "evil.jpg"), (903, "mask.jpg")):
        path = folder / "val2017" / name
        path.parent.mkdir(exist_ok=True)
        Image.open(folder / "val2017" / "000000000139.jpg").save(path)
        content["images"].append({"id": number, "file_name": name, "height": 48, "width": 64})
        polygon = [[16, 8, 40, 8, 40, 40, 16, 40]]
        segmentation = {"size": [48, 64], "counts": "~~~"} if number == 903 else polygon
        category = 99 if number == 902 else 18
        content["annotations"].append(
            {"id": number, "image_id": number, "category_id": category, "segmentation": segmentation, "iscrowd": 0}
        )
    content["categories"].append({"id": 99, "name": "../../evil"})
    annotations.write_text(json.dumps(content))
    (folder / "val2017" / "cut.jpg").write_bytes((folder / "val2017" / "cut.jpg").read_bytes()[:300])
    output = tmp_path / "set"
    options = ("--annotations", str(annotations), "--photos", "1", "--seed", "1")
    assert main(["data", "grounded", str(folder / "val2017"), str(output), "--size", "32", *options[:2]]) == 1
    assert main(["data", "grounded", str(folder / "val2017"), str(output), "--size", "32", *options]) == 0
    assert [example.regions[0].object for example in read_manifest(output)] == ["dog"]
    for reason in left_out(output):
        assert reason.startswith(("damaged: ", "no object of", "an object's name", "another photo has its name"))


def test_test_photos_are_kept_out_of_training(tmp_path: Path):
    output = tmp_path / "set"
    options = ("--dataset", "voc", "--no-one-of-class", "--photos", "1", "--test-photos", "1")
    assert run(make_voc(tmp_path / "voc"), output, *options) == 0
    parts = [read_manifest(output, split)[0].original.read_bytes() for split in ("train", "test")]
    assert parts[0] != parts[1]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--styles", "ink"), "Found --styles without a stylist"),
        (("--teacher",), "Found --teacher without styles"),
        (("--teacher", "--styles", "no such"), "The teacher has no style 'no such'"),
        (("--images", "nowhere"), "nowhere has no folder, expected a folder of images for each style"),
        (("--teacher", "--workflow", "x.json", "--styles", "ink"), "Found --workflow and --teacher"),
        (("--teacher", "--styles", "a/b"), "named 'a/b', expected letters"),
        (("--teacher", "--styles", "woven", "woven"), "is given twice"),
        (("--teacher", "--styles", "ink=no.png"), "has no readable image no.png"),
        (("--workflow", "none.json", "--styles", "ink"), "There is no workflow none.json"),
        (("--test-photos", "2", "--photos", "1"), "expected 3"),
        (("--least-share", "0.9"), "expected 0 < smallest"),
        (("--feather", "-1"), "The number feather is -1"),
    ],
)
def test_wrong_options_are_refused_before_any_work(
    grounded_coco: Path, tmp_path: Path, capsys: pytest.CaptureFixture, options: tuple[str, ...], sentence: str
):
    assert run(grounded_coco, tmp_path / "set", *options) == 1
    assert sentence in " ".join(capsys.readouterr().err.split())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["coco"]
