import os

import pytest
from styleroute.errors import StorageError
from styleroute.storage.whole_file import whole_file


def test_a_whole_write_replaces_the_previous_file(tmp_path):
    path = tmp_path / "new" / "file.txt"
    for text in ("first", "second"):
        with whole_file(path) as partial:
            partial.write_text(text)
            assert path.exists() == (text == "second")
        assert path.read_text() == text
    assert list(path.parent.iterdir()) == [path]


def test_its_content_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    done, fsync, replace = [], os.fsync, os.replace

    def spy_fsync(number):
        done.append(("on the disk", os.fstat(number).st_ino, os.fstat(number).st_size))
        fsync(number)

    def spy_replace(partial, path):
        done.append(("named", os.stat(partial).st_ino, os.stat(partial).st_size))
        replace(partial, path)

    monkeypatch.setattr(os, "fsync", spy_fsync)
    monkeypatch.setattr(os, "replace", spy_replace)
    with whole_file(tmp_path / "file.txt") as partial:
        partial.write_text("whole")
    number = (tmp_path / "file.txt").stat().st_ino
    assert done == [("on the disk", number, 5), ("named", number, 5)]


@pytest.mark.parametrize(
    ("stop", "seen"), [(OSError, StorageError), (RuntimeError, StorageError), (KeyboardInterrupt, KeyboardInterrupt)]
)
def test_an_interrupted_write_keeps_the_previous_file(tmp_path, stop, seen):
    path = tmp_path / "file.txt"
    path.write_text("before")

    def write() -> None:
        with whole_file(path) as partial:
            partial.write_text("half")
            raise stop("no space left")

    with pytest.raises(seen, match="no space left"):
        write()
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_an_impossible_path_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with (
        pytest.raises(StorageError, match="could not be written"),
        whole_file(tmp_path / "file" / "inner.txt") as partial,
    ):
        partial.write_text("")
