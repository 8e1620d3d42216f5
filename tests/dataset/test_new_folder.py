"""Folders of datasets: refusals come before any work, and a folder is complete or absent."""

import shutil
from collections import namedtuple
from pathlib import Path

import pytest
from styleroute.dataset.new_folder import require_target, whole_or_nothing
from styleroute.errors import DataError, StorageError

Usage = namedtuple("Usage", "total used free")


def test_refused_before_any_work(tmp_path: Path, monkeypatch) -> None:
    with pytest.raises(DataError, match=r"the size is 250 pixels, expected a multiple of 16"):
        require_target(tmp_path / "set", 10, 250)
    (tmp_path / "taken").mkdir()
    require_target(tmp_path / "taken", 10, 256)
    (tmp_path / "taken" / "file").touch()
    with pytest.raises(DataError, match="taken exists already: remove it, or give another folder"):
        require_target(tmp_path / "taken", 10, 256)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(2**40, 2**39, 100 * 2**20))
    sentence = r"up to 4,000 images of 256 x 256 need 0\.7 GiB .* only 100\.0 MiB are free there: make room"
    with pytest.raises((DataError, StorageError), match=sentence):
        require_target(tmp_path / "deep" / "set", 4000, 256)


def test_a_folder_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    def stop() -> None:
        with whole_or_nothing(tmp_path / "deep" / "set") as unfinished:
            (unfinished / "file").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop()
    assert not list((tmp_path / "deep").iterdir())
    with whole_or_nothing(tmp_path / "deep" / "set") as unfinished:
        (unfinished / "file").touch()
    assert [path.name for path in (tmp_path / "deep" / "set").iterdir()] == ["file"]
