"""Writing: `datasets` reads it, all or nothing, and the refusals before any work."""

import json
from pathlib import Path

import numpy as np
import pytest
from styleroute.dataset.triplet_report import TripletReport
from styleroute.dataset.triplet_writer import StylisedContent, TripletStyle, write_triplets
from styleroute.dataset.triplets import read_triplets
from styleroute.errors import DataError

OIL, INK = TripletStyle("Öl / alt", 0), TripletStyle("test ink", 1)


def _image(*colour: int) -> np.ndarray:
    return np.full((16, 16, 3), colour, dtype=np.uint8)


def _example(name: str, styles: tuple[TripletStyle, ...], red: int = 0) -> StylisedContent:
    return StylisedContent(
        name, f"a {name}", _image(red, 9, 9), [(style, _image(red, 99, style.id)) for style in styles]
    )


def _splits() -> dict[str, list[StylisedContent]]:
    names = ("boat", "cat", "dog")
    train = [_example(name, (OIL,), 40 * number) for number, name in enumerate(names)]
    return {"train": train, "test": [_example(name, (OIL, INK)) for name in ("owl", "pig")]}


def test_datasets_reads_three_image_columns(tmp_path: Path, embed) -> None:
    from datasets import load_dataset

    write_triplets(tmp_path / "set", _splits(), embed, TripletReport({"seed": 0}))
    loaded = load_dataset("imagefolder", data_dir=str(tmp_path / "set"), cache_dir=str(tmp_path / "cache"))
    assert {split: rows.num_rows for split, rows in loaded.items()} == {"train": 3, "test": 4}
    columns = [name for name, kind in loaded["train"].features.items() if kind.dtype == "PIL.Image.Image"]
    assert columns == ["content", "reference", "stylised"]
    row = loaded["train"][0]
    assert (row["style"], row["style_id"], row["content_name"], row["prompt"]) == ("Öl / alt", 0, "boat", "a boat")
    assert np.array_equal(np.asarray(row["stylised"]), _image(0, 99, 0))
    assert np.array_equal(np.asarray(row["reference"]), _image(40, 99, 0))


def test_what_is_written_is_what_is_read(tmp_path: Path, embed) -> None:
    report = TripletReport({"seed": 3})
    write_triplets(tmp_path / "set", _splits(), embed, report)
    train, test = (read_triplets(tmp_path / "set", split) for split in ("train", "test"))
    assert [row.reference.name for row in train] == ["0002.png", "0003.png", "0002.png"]
    assert {(row.style, row.seen_style) for row in test} == {("Öl / alt", True), ("test ink", False)}
    assert {row.stylised.parent.name for row in test} == {"öl_alt", "styletestink"}
    assert all(row.reference not in (row.stylised, row.content) for row in (*train, *test))
    stored = json.loads((tmp_path / "set" / "report.json").read_text())
    assert stored["made_with"] == {"seed": 3}
    assert stored["splits"]["test"] == {
        "triplets": 4, "contents": 2, "unseen_styles": ["test ink"], "styles": {"test ink": 2, "Öl / alt": 2}
    }  # fmt: skip
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_a_style_with_a_single_content_is_left_out_and_named(tmp_path: Path, embed) -> None:
    report = TripletReport({})
    train = [_example("boat", (OIL,)), _example("boat", (INK, OIL)), _example("owl", (INK,)), _example("cat", (OIL,))]
    lone = TripletStyle("lone", 2)
    write_triplets(tmp_path / "set", {"train": [*train, _example("pig", (lone,))]}, embed, report)
    assert report.left_out == {"train: its style has no image of another content": ["lone/pig"]}
    folders = {path.name for path in (tmp_path / "set" / "train").iterdir() if path.is_dir()}
    assert folders == {"content", "öl_alt", "styletestink"}
    assert len(list((tmp_path / "set" / "train" / "content").iterdir())) == 4


def test_styles_whose_names_become_equal_have_folders_of_their_own(tmp_path: Path, embed) -> None:
    styles = tuple(TripletStyle(name, number) for number, name in enumerate(("oil", "Oil!", "content", "***")))
    write_triplets(tmp_path / "set", {"train": [_example(name, styles) for name in "ab"]}, embed, TripletReport({}))
    folders = {row.style: row.stylised.parent.name for row in read_triplets(tmp_path / "set", "train")}
    assert folders == {"oil": "oil", "Oil!": "oil_2", "content": "content_2", "***": "style"}


def test_images_are_embedded_in_batches_that_change_nothing(tmp_path: Path, embed, monkeypatch, read_all) -> None:
    write_triplets(tmp_path / "one", _splits(), embed, TripletReport({}))
    monkeypatch.setattr("styleroute.dataset.triplet_writer.BATCH", 2)
    write_triplets(tmp_path / "more", _splits(), embed, TripletReport({}))
    assert read_all(tmp_path / "one") == read_all(tmp_path / "more")


def test_a_stop_half_way_leaves_nothing(tmp_path: Path, embed) -> None:
    class Stopped(list):
        def __iter__(self):
            yield _example("boat", (OIL,))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_triplets(tmp_path / "set", {"train": Stopped()}, embed, TripletReport({}))
    assert not list(tmp_path.iterdir())


def test_no_triplet_at_all_is_refused_with_the_reasons(tmp_path: Path, embed) -> None:
    splits = {"train": [_example("boat", (OIL, INK))]}
    with pytest.raises(DataError, match=r"the training split has no triplet \(2 x train: its style has no image of"):
        write_triplets(tmp_path / "set", splits, embed, TripletReport({}))
    assert not list(tmp_path.iterdir())


def test_an_empty_split_leaves_no_folder(tmp_path: Path, embed) -> None:
    splits = {**_splits(), "test": [_example("owl", (INK,))]}
    write_triplets(tmp_path / "set", splits, embed, TripletReport({}))
    assert {path.name for path in (tmp_path / "set").iterdir()} == {"train", "report.json"}
