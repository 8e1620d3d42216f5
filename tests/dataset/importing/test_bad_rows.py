"""Damaged and hostile datasets: a bad row is set aside with its reason, and the others are imported."""

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from styleroute.cli import main
from styleroute.dataset.importing.columns import Columns
from styleroute.dataset.importing.import_triplets import ImportOptions, import_triplets
from styleroute.dataset.importing.open_source import open_source
from styleroute.dataset.importing.rows import SourceRow, flat
from styleroute.dataset.triplet_report import TripletReport
from styleroute.dataset.triplets import read_triplets
from styleroute.errors import DataError, StorageError

from .published import content, encoded, make_parquet, make_table, shard_files, write_tar


def imported(folder: Path, output: Path, **options) -> dict[str, list[str]]:
    """Imports a dataset at 32 pixels; returns the names of the rows left out, by reason."""
    report = TripletReport({})
    import_triplets(open_source(folder), Columns(), output, ImportOptions(32, **options), report, None)
    return report.left_out


def changed_table(folder: Path, change) -> Path:
    """A table whose rows `change` has edited in place."""
    rows = [json.loads(line) for line in (make_table(folder) / "metadata.jsonl").read_text().splitlines()]
    change(rows)
    (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_bad_rows_of_a_table_are_set_aside(tmp_path: Path):
    def change(rows: list[dict]) -> None:
        rows[0]["target_path"] = "images/target/none.png"
        rows[1]["content_path"] = "../../etc/passwd"
        rows[2]["content_path"] = "/etc/passwd"
        rows[3]["style_name"] = None
        rows.append(dict(rows[5]))
        rows.append("no object")
        rows.append({**rows[4], "target_path": "images/target/wide.png"})
        rows.append({**rows[4], "target_path": "images/target/cut.png"})
        rows.append({**rows[4], "reference_path": rows[4]["target_path"]})

    folder = changed_table(tmp_path / "published", change)
    (folder / "images" / "target" / "wide.png").write_bytes(encoded(90, (64, 32)))
    (folder / "images" / "target" / "cut.png").write_bytes(encoded(91)[:700])
    with (folder / "metadata.jsonl").open("a") as table:
        table.write("{broken\n")
    names = {reason: [name.rpartition(" ")[2] for name in found]
             for reason, found in imported(folder, tmp_path / "set").items()}  # fmt: skip
    assert names == {
        "an image is missing": ["1"],
        "a path that leads out": ["2", "3"],
        "no value in the column style_name": ["4"],
        "a second copy of a triplet": ["7"],
        "a row that is no object of JSON": ["8", "12"],
        "its stylised image has another shape than its content": ["9"],
        "its stylised image is broken, or no image": ["10"],
        "its style image shows its own content": ["11"],
    }
    assert len(read_triplets(tmp_path / "set", "train")) == 2


def test_hostile_archives_are_read_without_unpacking(tmp_path: Path):
    files = shard_files()
    files[4:4] = [("../out.content.png", content("boat")), ("/abs.content.png", content("cat"))]
    files += [("0001.target.png", content("dog")), ("0009.target.png", b"1"), ("0009.target.jpg", b"2")]
    files += [("0010.json", b"{broken"), ("0011.npy", b"\xff\x00"), (".hidden.png", b"x")]
    shard = write_tar(tmp_path / "published" / "a.tar", files)
    with tarfile.open(shard, "a") as tar:
        link = tarfile.TarInfo("0012.content.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    left_out = imported(tmp_path / "published", tmp_path / "set")
    assert left_out == {
        "a path that leads out of the archive": ["a.tar: ../out", "a.tar: /abs"],
        "no value in the column json.style": ["a.tar: 0001", "a.tar: 0011"],
        "two files target in a row": ["a.tar: 0009"],
        "a file .json that is not JSON": ["a.tar: 0010"],
        "a link or a device in the archive": ["a.tar: 0012"],
    }
    assert len(read_triplets(tmp_path / "set", "train")) == 6
    assert sorted(path.name for path in tmp_path.iterdir()) == ["published", "set"]


def test_a_shard_that_ends_early_keeps_its_whole_rows(tmp_path: Path):
    folder, files = tmp_path / "published", shard_files()
    whole = write_tar(folder / "a.tar", files[:12]).read_bytes()
    (folder / "a.tar").write_bytes(whole[: len(whole) * 2 // 3])
    write_tar(folder / "b.tar", files[12:])
    left_out = imported(folder, tmp_path / "set")
    assert len(left_out) == 1
    assert "ends early or is damaged" in next(iter(left_out))
    assert len(read_triplets(tmp_path / "set", "train")) == 5


def test_equal_keys_in_two_shards_are_two_rows(tmp_path: Path):
    folder, files = tmp_path / "published", shard_files()
    write_tar(folder / "a.tar", files[:12])
    write_tar(folder / "b.tar", [(name.replace("0003", "0000"), data) for name, data in files[12:]])
    assert imported(folder, tmp_path / "set") == {}
    assert len(read_triplets(tmp_path / "set", "train")) == 6


def test_a_damaged_parquet_file_is_one_sentence(tmp_path: Path):
    folder = make_parquet(tmp_path / "published")
    file = next(folder.glob("*.parquet"))
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(DataError, match=r"`datasets` cannot read .*: download the dataset again"):
        open_source(folder)


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"content": "photo"}, "no column 'photo' .*image columns none .*caption, content_path, .*with --content"),
        ({"style": "{nobody}/x"}, "no column 'nobody'"),
        ({"style": "x{}"}, "names no column"),
        ({"stylised": "caption"}, "None of the first 6 rows is a triplet .*There is no image a boat"),
        ({"style_pattern": "/(.+)/"}, "None of the first 6 rows .*style that does not match the pattern"),
    ],
)
def test_wrong_columns_are_named_before_any_work(columns: dict, sentence: str, tmp_path: Path):
    folder, output = make_table(tmp_path / "published"), tmp_path / "set"
    with pytest.raises(DataError, match=sentence):
        import_triplets(open_source(folder), Columns(**columns), output, ImportOptions(32), TripletReport({}), None)
    assert [path.name for path in tmp_path.iterdir()] == ["published"]


@pytest.mark.parametrize("pattern", ["(", "no group"])
def test_a_pattern_needs_a_group(pattern: str):
    with pytest.raises(DataError, match="give another --content-pattern"):
        Columns(content_pattern=pattern)


def test_a_missing_or_ambiguous_column_is_asked_for(tmp_path: Path):
    def drop(rows: list[dict]) -> None:
        for row in rows:
            del row["style_name"]

    def double(rows: list[dict]) -> None:
        for row in rows:
            row["target_file"] = row["target_path"]

    with pytest.raises(DataError, match=r"no column for the style's name .*choose one with --style"):
        imported(changed_table(tmp_path / "one", drop), tmp_path / "set")
    with pytest.raises(DataError, match=r"target_path, target_file of .* may all be the stylised image"):
        imported(changed_table(tmp_path / "two", double), tmp_path / "set")


def test_a_folder_without_a_dataset_says_what_it_holds(tmp_path: Path, capsys: pytest.CaptureFixture):
    (tmp_path / "notes.txt").write_text("hello")
    assert main(["data", "import", str(tmp_path), str(tmp_path / "set")]) == 1
    assert "holds 1 x .txt, expected Parquet files, tar archives" in capsys.readouterr().err
    assert main(["data", "import", str(tmp_path / "none"), str(tmp_path / "set")]) == 1
    assert "There is no folder" in capsys.readouterr().err


def test_an_existing_output_and_a_missing_split_are_refused(tmp_path: Path):
    folder = make_parquet(tmp_path / "published")
    with pytest.raises(DataError, match="no split 'test', only train: choose one of these with --split"):
        open_source(folder, split="test")
    with pytest.raises(DataError, match="exists already"):
        imported(folder, folder)


def test_the_disk_must_have_room_for_all_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    usage = type("Usage", (), {"free": 20_000})
    monkeypatch.setattr("styleroute.storage.disk_space.shutil.disk_usage", lambda path: usage)
    folder = make_table(tmp_path / "published")
    with pytest.raises(StorageError, match="about 6 triplets need"):
        imported(folder, tmp_path / "set")
    assert imported(folder, tmp_path / "set", limit=2) == {}


def test_an_interruption_leaves_nothing(tmp_path: Path):
    source = open_source(make_table(tmp_path / "published"))

    class Stopping:
        layout, calls = "a table", 0

        def __iter__(self) -> Iterator[SourceRow]:
            self.calls += 1
            rows = [row for row in source if isinstance(row, SourceRow)]
            yield from rows[:3]
            if self.calls > 1:
                raise KeyboardInterrupt
            yield from rows[3:]

        def count(self) -> int:
            return 6

        def file(self, path: str):
            return source.file(path)

    with pytest.raises(KeyboardInterrupt):
        import_triplets(Stopping(), Columns(), tmp_path / "made" / "set", ImportOptions(32), TripletReport({}), None)
    assert list((tmp_path / "made").iterdir()) == []


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("set.csv", "a,b\n" + "x" * 200_000, "set.csv is no table"),
        ("set.json", "[1", "set.json holds no list of rows"),
        ("set.json", '{"a": 1}', "set.json holds no list of rows"),
        ("set.jsonl", "1\n2", "None of the first rows of the table set.jsonl can be read"),
    ],
)
def test_a_table_that_is_none_is_one_sentence(tmp_path: Path, name: str, text: str, sentence: str):
    (tmp_path / "published").mkdir()
    (tmp_path / "published" / name).write_text(text)
    with pytest.raises(DataError, match=sentence):
        imported(tmp_path / "published", tmp_path / "set")


def test_tables_of_other_kinds_hold_the_same_rows(tmp_path: Path):
    """CSV, a list of JSON, an object by name, and a list inside an object."""
    folder = make_table(tmp_path / "published")
    rows = [json.loads(line) for line in (folder / "metadata.jsonl").read_text().splitlines()]
    (folder / "metadata.jsonl").unlink()
    header = list(rows[0])
    texts = {
        "a.csv": "\n".join([",".join(header), *(",".join(row[name] for name in header) for row in rows)]),
        "b.json": json.dumps(rows),
        "c.json": json.dumps({str(number): row for number, row in enumerate(rows)}),
        "d.json": json.dumps({"version": 1, "data": rows}),
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
        assert imported(folder, tmp_path / name[0]) == {}
        assert len(read_triplets(tmp_path / name[0], "train")) == 6
        (folder / name).unlink()
    for name in ("one.json", "two.json"):
        (folder / name).write_text("[]")
    with pytest.raises(
        DataError, match=r"several tables .one.json, two.json., expected one: choose it with --metadata"
    ):
        imported(folder, tmp_path / "none")


def test_deeply_nested_json_is_cut_and_not_a_crash(tmp_path: Path):
    nested: dict = {"style": "ink"}
    for _ in range(60):
        nested = {"in": nested}
    values = flat(nested)
    assert len(values) == 1
    assert flat({"a": {"b": 1, "c": None}, "d": ["x", "y"]}) == {"a.b": "1", "d": "x"}


def test_texts_that_no_file_can_hold_do_not_stop_the_import(tmp_path: Path, capsys: pytest.CaptureFixture):
    """Half a surrogate pair in a style, bytes that are no text in a name, markup and terminal codes in another."""
    folder, output = tmp_path / "published", tmp_path / "set"
    files = [(name, data.replace(b'"ink"', b'"in\\ud800k"')) for name, data in shard_files()]
    files += [("b\udcffd.content.png", b"x"), ("[/red]\x1b[31m.content.png", b"x")]
    write_tar(folder / "a.tar", files)
    assert main(["data", "import", str(folder), str(output), "--size", "32"]) == 0
    assert {row.style for row in read_triplets(output, "train")} == {"in?k", "oil"}
    assert "\x1b[31m" not in capsys.readouterr().out
    assert len(json.loads((output / "report.json").read_text(encoding="utf-8"))["left_out"]) == 1
    assert main(["data", "import", str(folder), str(output), "--look"]) == 0


def test_a_report_holds_any_name(tmp_path: Path):
    report = TripletReport({})
    report.leave_out("broken", "a\ud800")
    report.write(tmp_path)
    written = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert written["left_out"]["broken"]["names"] == ["a\ud800"]
