"""`data import`, end to end: every layout gives the same triplets, which the trainers and `datasets` read."""

import hashlib
import json
from pathlib import Path

import datasets
import pytest
from PIL import Image
from styleroute.cli import main
from styleroute.dataset.triplets import read_triplets

from .published import (
    CONTENTS,
    STYLES,
    content,
    make_parquet,
    make_table,
    shard_files,
    stylised,
    triplets,
    write_tar,
)


def run(folder: Path, output: Path, *options: str) -> int:
    return main(["data", "import", str(folder), str(output), "--size", "32", *options])


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read_rows(folder: Path, split: str = "train") -> list[tuple]:
    """The triplets by the digests of their images: 32 x 32 PNG files come through unchanged."""
    rows = read_triplets(folder, split)
    return [(*(digest(path) for path in (row.content, row.reference, row.stylised)), row.style, row.prompt)
            for row in rows]  # fmt: skip


def expected() -> list[tuple]:
    found = []
    for row in triplets():
        images = [hashlib.sha256(row[column]).hexdigest() for column in ("content", "reference", "target")]
        found.append((*images, row["style"], row["caption"]))
    return found


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def left_out(folder: Path) -> dict[str, list[str]]:
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    return {reason: part["names"] for reason, part in report["left_out"].items()}


def make_saved(folder: Path) -> Path:
    parquet = make_parquet(folder.parent / "parquet") / "train-00000-of-00001.parquet"
    loaded = datasets.Dataset.from_parquet(str(parquet), cache_dir=str(folder.parent / "cache"))
    datasets.DatasetDict({"train": loaded}).save_to_disk(str(folder))
    return folder


def make_tar_table(folder: Path) -> Path:
    """A table of paths whose images are inside an archive, as one file for each column and split."""
    make_table(folder)
    files = [(path.relative_to(folder / "images").as_posix(), path.read_bytes())
             for path in sorted((folder / "images").rglob("*.png"))]  # fmt: skip
    write_tar(folder / "images.tar", files)
    for path in (folder / "images").rglob("*.png"):
        path.unlink()
    return folder


def make_shards(folder: Path) -> Path:
    files = shard_files()
    write_tar(folder / "data" / "train-0.tar", files[:12])
    write_tar(folder / "data" / "train-1.tar", files[12:])
    return folder


@pytest.mark.parametrize("make", [make_parquet, make_saved, make_table, make_tar_table, make_shards])
def test_every_layout_gives_the_same_triplets(make, tmp_path: Path):
    folder, output = make(tmp_path / "published"), tmp_path / "made" / "set"
    assert run(folder, output) == 0
    assert read_rows(output) == expected()
    rows = read_triplets(output, "train")
    assert {row.style: row.style_id for row in rows} == {"ink": 0, "oil": 1}
    # Equal content images are one content, and are stored once.
    assert len({row.content_name for row in rows}) == len({row.content for row in rows}) == len(CONTENTS)
    assert sorted(path.name for path in output.iterdir()) == ["report.json", "train"]
    assert len(list(output.rglob("*.png"))) == len(CONTENTS) * (1 + len(STYLES))
    assert left_out(output) == {}


def test_the_library_datasets_reads_the_result(tmp_path: Path):
    output = tmp_path / "set"
    assert run(make_shards(tmp_path / "published"), output) == 0
    loaded = datasets.load_dataset("imagefolder", data_dir=str(output), split="train", cache_dir=str(tmp_path / "c"))
    assert {"content", "reference", "stylised", "style"} <= set(loaded.column_names)
    assert len(loaded) == 6
    assert loaded[0]["content"].size == (32, 32)


def test_two_runs_give_the_same_bytes(tmp_path: Path):
    folder = make_shards(tmp_path / "published")
    options = ("--test-styles", "1", "--test-contents", "1", "--seed", "3")
    for name in ("one", "two"):
        assert run(folder, tmp_path / name, *options, "--threads", "1" if name == "one" else "3") == 0
    one, two = (files_of(tmp_path / name) for name in ("one", "two"))
    assert one == two


def test_held_out_styles_and_contents_stay_out_of_training(tmp_path: Path):
    folder, output = make_shards(tmp_path / "published"), tmp_path / "set"
    assert run(folder, output, "--test-styles", "1", "--test-contents", "1") == 0
    train, test = read_triplets(output, "train"), read_triplets(output, "test")
    assert not {row.content_name for row in train} & {row.content_name for row in test}
    assert {row.seen_style for row in test} == {True, False}
    unseen = {row.style for row in test if not row.seen_style}
    assert unseen.isdisjoint({row.style for row in train})
    # One of the two contents that train has shows the test content as its style image.
    assert [len(names) for names in left_out(output).values()] == [2, 1]
    assert set(left_out(output)) == {
        "a training content in a held-out style",
        "its style image shows a test content",
    }
    targets = {digest(row.stylised) for row in test}
    assert targets.isdisjoint({digest(row.reference) for row in train})


def test_style_images_can_be_chosen_by_similarity(tmp_path: Path):
    folder, output = make_shards(tmp_path / "published"), tmp_path / "set"
    assert run(folder, output, "--references", "chosen", "--embedding", "tiny") == 0
    for row in read_triplets(output, "train"):
        assert row.reference.parent.name == row.style
        assert row.reference != row.stylised


def test_other_sizes_become_squares_and_are_counted(tmp_path: Path):
    output = tmp_path / "set"
    assert main(["data", "import", str(make_table(tmp_path / "published")), str(output), "--size", "16"]) == 0
    assert {Image.open(path).size for path in output.rglob("*.png")} == {(16, 16)}
    assert json.loads((output / "report.json").read_text())["changed"] == {"resized to 16 x 16": 9}


def test_look_lists_columns_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture):
    folder, output = make_table(tmp_path / "published"), tmp_path / "set"
    assert run(folder, output, "--look", "--content-name", "{caption}") == 0
    shown = capsys.readouterr().out
    for words in ("target_path", "--stylised", "style_name", "--style", "images/content/0.png", "Rows: 6",
                  "--content-name: {caption}"):  # fmt: skip
        assert words in shown
    assert not output.exists()


def test_templates_patterns_and_stripped_paths_name_images_and_styles(tmp_path: Path):
    folder = make_table(tmp_path / "published", start="/home/author/set/")
    rows = [json.loads(line) for line in (folder / "metadata.jsonl").read_text().splitlines()]
    rows = [{"id": number, "lora": f"loras/{row['style_name']}-v2.safetensors"} for number, row in enumerate(rows)]
    (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    names = {"content": "content", "reference": "reference", "stylised": "target"}
    options = [word for role, column in names.items() for word in (f"--{role}", f"/a/images/{column}/{{id}}.png")]
    options += ["--style", "lora", "--style-pattern", r"/(\w+)-v\d", "--strip", "/a/"]
    assert run(folder, tmp_path / "set", *options) == 0
    assert [row[:4] for row in read_rows(tmp_path / "set")] == [row[:4] for row in expected()]


def test_a_limit_takes_the_first_triplets(tmp_path: Path):
    assert run(make_table(tmp_path / "published"), tmp_path / "set", "--limit", "2") == 0
    assert read_rows(tmp_path / "set") == expected()[:2]


def test_stored_images_are_the_published_files(tmp_path: Path):
    assert run(make_table(tmp_path / "published"), tmp_path / "set") == 0
    row = read_triplets(tmp_path / "set", "train")[0]
    assert row.content.read_bytes() == content("boat")
    assert row.stylised.read_bytes() == stylised("boat", "ink")
