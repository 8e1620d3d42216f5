"""Regular files only: pipes, devices, folders and impossible paths are refused, and never block."""

import os
import threading
from pathlib import Path

import pytest
from styleroute.errors import DataError, StorageError
from styleroute.files import folder_made_once, open_regular, state_of, temporary_beside
from styleroute.storage.disk_space import require_writable
from styleroute.storage.image_reader import image_size, is_animated, read_image, read_mask
from styleroute.storage.text_reader import read_text

POSIX = pytest.mark.skipif(os.name != "posix", reason="Windows has no such files")


def pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe.png")
    return folder / "pipe.png"


def link_loop(folder: Path) -> Path:
    (folder / "a.png").symlink_to(folder / "b.png")
    (folder / "b.png").symlink_to(folder / "a.png")
    return folder / "a.png"


def device(folder: Path) -> Path:
    (folder / "zero.png").symlink_to("/dev/zero")
    return folder / "zero.png"


BAD_PATHS = [
    *(pytest.param(make, marks=POSIX) for make in (pipe, link_loop, device)),
    lambda folder: folder,
    lambda folder: folder / "a\0b.png",
    lambda folder: folder / "\ud800.png",
    lambda folder: folder / f"{'x' * 300}.png",
]


def within_a_minute(function, *args):
    """The result, or the exception as a value. A reader that waits for a pipe fails the test."""
    results = []

    def run() -> None:
        try:
            results.append(function(*args))
        except Exception as error:
            results.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(60)
    assert results, "the reader waits"
    return results[0]


@pytest.mark.parametrize("make", BAD_PATHS)
def test_what_is_no_file_is_refused(tmp_path, make):
    path = make(tmp_path)
    assert isinstance(within_a_minute(open_regular, path), OSError)
    for read in (read_image, read_mask, read_text):
        error = within_a_minute(read, path)
        assert isinstance(error, DataError)
        str(error).encode("utf-8")
    assert within_a_minute(image_size, path) is None
    assert within_a_minute(is_animated, path) is False


def test_a_file_has_another_state_after_each_change(tmp_path):
    def state():
        with open_regular(path) as file:
            return state_of(file)

    (path := tmp_path / "file").write_bytes(b"one")
    os.utime(path, (1, 1))
    states = [state()]
    assert state() == states[0]
    path.write_bytes(b"longer")
    os.utime(path, (1, 1))
    states.append(state())
    os.utime(path, (2, 2))
    states.append(state())
    (other := tmp_path / "other").write_bytes(b"longer")
    os.utime(other, (2, 2))
    other.replace(path)
    states.append(state())
    assert len(set(states)) == 4


def test_abandoned_temporary_files_are_deleted_after_a_day(tmp_path):
    named_as_ours = [temporary_beside(tmp_path / "elsewhere" / "x").name for _ in range(2)]
    old, new, other = (tmp_path / "runs" / name for name in (*named_as_ours, "old.partial"))
    old.parent.mkdir()
    for path in (old, new, other):
        path.write_text("half")
    for path in (old, other):
        os.utime(path, (1, 1))
    temporary_beside(old.parent / "y")
    assert sorted(old.parent.iterdir()) == sorted([new, other])


IMPOSSIBLE = ["a\0b.json", "\ud800.json", "x" * 256]


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_an_impossible_output_is_refused_before_the_work(tmp_path, name):
    with pytest.raises(StorageError, match="cannot be written"):
        require_writable(tmp_path / "new" / name)
    assert not list(tmp_path.iterdir())


def test_temporary_names_are_new_and_short(tmp_path):
    path = tmp_path / "new" / ("x" * 255)
    names = {temporary_beside(path) for _ in range(100)}
    assert len(names) == 100
    assert {name.parent for name in names} == {path.parent}
    assert max(len(name.name) for name in names) < 60
    assert not list(path.parent.iterdir())


def test_the_first_of_two_folders_stays(tmp_path):
    target = tmp_path / "new" / "photos"
    with folder_made_once(target) as slow, folder_made_once(target) as fast:
        (fast / "fast").touch()
        (slow / "slow").touch()
    assert [file.name for file in target.iterdir()] == ["fast"]
    assert [folder.name for folder in target.parent.iterdir()] == ["photos"]
