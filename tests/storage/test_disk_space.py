"""What is asked of the disk before a training."""

import shutil
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from styleroute.errors import StorageError
from styleroute.storage.disk_space import require_room, require_writable


def test_a_full_disk_is_reported_with_both_sizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=2**20))
    require_room(tmp_path, 2**20, "images")
    with pytest.raises(StorageError, match=r"images need 2\.0 MiB in .*, but only 1\.0 MiB are free there"):
        require_room(tmp_path / "new", 2**21, "images")


@pytest.mark.parametrize("name", ["new.safetensors", "there.safetensors", "made/later/new.safetensors"])
def test_what_can_be_written_is_left_as_it_is(tmp_path: Path, name: str) -> None:
    (tmp_path / "there.safetensors").write_text("before")
    require_writable(tmp_path / name)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("there.safetensors", "before")]


def test_a_folder_in_the_files_place_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="is a folder, expected a file name: give another --output"):
        require_writable(tmp_path)


def test_a_file_in_the_folders_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    for inner in ("x.safetensors", "new/x.safetensors"):
        with pytest.raises(StorageError, match=r"cannot be written \(Not a directory\): give another --output"):
            require_writable(tmp_path / "file" / inner)


def test_a_folder_that_may_not_be_written_to_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    with pytest.raises(StorageError, match=r"cannot be written \(Permission denied\): .* writable"):
        require_writable(tmp_path / "x.safetensors")
