"""A user's folder, end to end through the command, and what is left out of it."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from styleroute.cli import main
from styleroute.dataset.triplet_report import TripletReport
from styleroute.dataset.triplet_writer import TripletStyle
from styleroute.dataset.triplets import read_triplets
from styleroute.dataset.user_folder import CONTENTS, FolderContents, HoldOut, list_folder, split_folder
from styleroute.errors import DataError

CONTENT_NAMES = ("boat", "cat", "dog", "owl")
STYLES = ("ink", "oil", "wash")


def _save(path: Path, seed: int, size: tuple[int, int] = (48, 48)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four contents in three styles."""
    root = tmp_path / "images"
    for number, name in enumerate(CONTENT_NAMES):
        _save(root / CONTENTS / f"{name}.png", number)
        for style in STYLES:
            _save(root / style / f"{name}.jpg", number)
    (root / CONTENTS / "cat.txt").write_text("a cat\non a wall\n")
    return root


def _listed(folder: Path) -> tuple[TripletReport, dict]:
    report = TripletReport({})
    return report, list_folder(folder, report).styles


@pytest.mark.parametrize(
    ("encoding", "read"), [("utf-16", True), ("utf-8-sig", True), ("cp1252", False), ("shift_jis", False)]
)
def test_a_caption_is_read_exactly_or_its_content_is_left_out(folder: Path, encoding: str, read: bool) -> None:
    caption = "猫 on a wall" if encoding == "shift_jis" else "a café"
    (folder / CONTENTS / "cat.txt").write_bytes(caption.encode(encoding))
    report = TripletReport({})
    listed = list_folder(folder, report)
    plan = split_folder(listed, HoldOut(), report)["train"]
    prompts = {content.name: content.prompt for content in FolderContents(listed, plan, 32, report)}
    assert prompts.get("cat") == (caption if read else None)
    assert len(prompts) == 3 + read
    reasons = {"a caption that is no UTF-8 text: save it again as UTF-8": ["contents/cat.txt"]}
    reasons["the caption of its content cannot be read"] = [f"{style}/cat.jpg" for style in STYLES]
    assert report.left_out == ({} if read else reasons)


def test_the_command_end_to_end(folder: Path, tmp_path: Path, capsys) -> None:
    _save(folder / "oil" / "pig.png", 5)
    _save(folder / "lone" / "cat.webp", 6)
    (folder / "ink" / "dog.jpg").write_bytes(b"no image")
    (folder / "wash" / "owl.jpg").write_bytes((folder / "wash" / "owl.jpg").read_bytes()[:900])
    _save(folder / "wash" / "boat.jpg", 0, (64, 60))
    output = tmp_path / "made" / "set"
    assert main(["data", "triplets", str(folder), str(output), "--embedding", "tiny", "--size", "32"]) == 0
    rows = read_triplets(output, "train")
    assert {row.style: row.style_id for row in rows} == {"ink": 0, "oil": 2, "wash": 3}
    assert len(rows) == 3 + 4 + 3
    assert {row.prompt for row in rows if row.content_name == "cat"} == {"a cat on a wall"}
    assert {row.prompt for row in rows if row.content_name != "cat"} == {""}
    assert {Image.open(path).size for row in rows for path in (row.content, row.stylised)} == {(32, 32)}
    left_out = json.loads((output / "report.json").read_text())["left_out"]
    assert {reason: part["names"] for reason, part in left_out.items()} == {
        "its content image is missing": ["oil/pig.png"],
        "broken, or no image": ["ink/dog.jpg", "wash/owl.jpg"],
        "train: its style has no image of another content": ["lone/cat"],
    }
    shown = capsys.readouterr().out
    for words in ("oil/pig.png", "ink/dog.jpg", "lone/cat", "cut to a square of 32 x 32 (kept)", "Wrote"):
        assert words in shown


def test_contents_and_styles_are_held_out_by_the_seed(folder: Path) -> None:
    report, _ = _listed(folder)
    listed = list_folder(folder, report)
    splits = split_folder(listed, HoldOut(styles=1, seed=4), report)
    train, test = (dict(splits[split]) for split in ("train", "test"))
    assert len(test) == 2
    assert not set(train) & set(test)
    [held] = {style.name for styles in test.values() for style in styles} - {
        style.name for styles in train.values() for style in styles
    }
    assert len(report.left_out["a training content in a held-out style"]) == 2
    assert all(name.startswith(f"{held}/") for name in report.left_out["a training content in a held-out style"])
    assert split_folder(listed, HoldOut(styles=1, seed=4), TripletReport({})) == splits
    assert any(split_folder(listed, HoldOut(styles=1, seed=seed), TripletReport({})) != splits for seed in range(5, 9))
    assert list(split_folder(listed, HoldOut(), TripletReport({}))) == ["train"]
    assert len(split_folder(listed, HoldOut(contents=3), TripletReport({}))["test"]) == 3


def test_the_held_out_style_is_marked(folder: Path, tmp_path: Path) -> None:
    options = ["--embedding", "tiny", "--size", "32", "--test-styles", "1", "--seed", "4"]
    assert main(["data", "triplets", str(folder), str(tmp_path / "set"), *options]) == 0
    train, test = (read_triplets(tmp_path / "set", split) for split in ("train", "test"))
    assert {row.style for row in test if row.seen_style} == {row.style for row in train}
    assert len({row.style for row in test if not row.seen_style}) == 1


@pytest.mark.parametrize(
    ("hold", "sentence"),
    [
        (HoldOut(styles=3), "3 of 3 styles cannot be held out"),
        (HoldOut(contents=4), "4 of 4 contents cannot be held out"),
        (HoldOut(styles=1, contents=0), "held-out styles need held-out contents"),
        (HoldOut(styles=-1), "-1 of 3 styles cannot be held out"),
    ],
)
def test_more_held_out_than_there_is(folder: Path, hold: HoldOut, sentence: str) -> None:
    listed = list_folder(folder, TripletReport({}))
    with pytest.raises(DataError, match=sentence):
        split_folder(listed, hold, TripletReport({}))


def test_a_folder_of_another_layout_is_refused(tmp_path: Path, capsys) -> None:
    (tmp_path / "oil").mkdir()
    assert main(["data", "triplets", str(tmp_path), str(tmp_path / "set")]) == 1
    assert "has no folder 'contents': expected <style>/<content>.png" in capsys.readouterr().err
    (tmp_path / CONTENTS).mkdir()
    with pytest.raises(DataError, match="no image in a style together with its content"):
        list_folder(tmp_path, TripletReport({}))


def test_other_files_are_named(folder: Path) -> None:
    (folder / "oil" / "notes.doc").touch()
    (folder / "oil" / ".DS_Store").touch()
    _save(folder / "oil" / "cat.png", 0)
    _save(folder / CONTENTS / "unused.png", 0)
    (folder / "empty").mkdir()
    report, styles = _listed(folder)
    assert report.left_out == {
        "no .png, .jpg or .webp": ["oil/notes.doc"],
        "a second image of the same name": ["oil/cat.png"],
        "a folder without an image": ["empty"],
        "a content in no style": ["contents/unused.png"],
    }
    assert tuple(styles) == STYLES


def _read(folder: Path, size: int = 32) -> tuple[list, TripletReport]:
    report = TripletReport({})
    listed = list_folder(folder, report)
    part = split_folder(listed, HoldOut(), report)["train"]
    return [(row, list(row.stylised)) for row in FolderContents(listed, part, size, report)], report


def test_a_broken_content_takes_its_images_along(folder: Path) -> None:
    (folder / CONTENTS / "dog.png").write_bytes(b"\x89PNG broken")
    rows, report = _read(folder)
    assert [row.name for row, _ in rows] == ["boat", "cat", "owl"]
    assert report.left_out["broken, or no image"] == ["contents/dog.png"]
    assert report.left_out["its content image is broken"] == ["ink/dog.jpg", "oil/dog.jpg", "wash/dog.jpg"]


def test_an_image_of_another_shape_is_left_out(folder: Path) -> None:
    _save(folder / "oil" / "owl.jpg", 3, (96, 48))
    rows, report = _read(folder)
    assert report.left_out == {"another shape than its content": ["oil/owl.jpg"]}
    assert [style.name for style, _ in rows[-1][1]] == ["ink", "wash"]


def test_images_are_upright_in_rgb_and_on_white(folder: Path) -> None:
    pixels = np.zeros((48, 48, 4), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / CONTENTS / "boat.png")
    turned = Image.new("RGB", (64, 48))
    turned.paste("red", (0, 0, 32, 48))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter, clockwise: what is left comes to the top
    turned.save(folder / CONTENTS / "cat.png", exif=exif)
    rows, _ = _read(folder, 16)
    images = {row.name: row.image for row, _ in rows}
    assert images["boat"].min() == 255
    assert images["cat"].shape == (16, 16, 3)
    assert images["cat"][0, :, 0].min() > 200
    assert images["cat"][-1].max() < 50


def test_the_same_image_under_two_names_is_one_content(folder: Path, tmp_path: Path) -> None:
    """Otherwise the most similar image of the style is the target itself."""
    Image.open(folder / CONTENTS / "cat.png").save(folder / CONTENTS / "kitten.webp", lossless=True)
    for style in STYLES:
        (folder / style / "kitten.jpg").write_bytes((folder / style / "cat.jpg").read_bytes())
    output = tmp_path / "set"
    assert main(["data", "triplets", str(folder), str(output), "--embedding", "tiny", "--size", "32"]) == 0
    rows = read_triplets(output, "train")
    assert sorted(row.content_name for row in rows) == sorted([*CONTENT_NAMES, "cat"] * len(STYLES))
    twins = [row for row in rows if row.content_name == "cat"]
    same = {row.stylised for row in twins}
    assert len(same) == 2 * len(STYLES)
    assert not any(row.reference in same for row in twins)
    changed = json.loads((output / "report.json").read_text())["changed"]
    assert changed["the same image as another content, so both have one name"] == 1


def test_a_test_content_that_is_a_training_image_is_left_out(folder: Path) -> None:
    report = TripletReport({})
    (folder / CONTENTS / "owl.png").write_bytes((folder / CONTENTS / "cat.png").read_bytes())
    listed = list_folder(folder, report)
    style = TripletStyle("oil", 0)
    train = [content.name for content in FolderContents(listed, [("boat", [style]), ("cat", [style])], 32, report)]
    test = [content.name for content in FolderContents(listed, [("dog", [style]), ("owl", [style])], 32, report)]
    assert (train, test) == (["boat", "cat"], ["dog"])
    assert report.left_out == {"its content is the same image as a training content": ["oil/owl.jpg"]}
