"""A lock on a folder: it ends with its block or its process, and a folder that cannot be written is one sentence."""

import subprocess
import sys
from pathlib import Path

import pytest
from styleroute.errors import StorageError
from styleroute.storage.folder_lock import locked

HOLD = """
import os, pathlib, sys
from styleroute.storage.folder_lock import locked
with locked(pathlib.Path(sys.argv[1]), "works"):
    os.kill(os.getpid(), 9)
"""


def test_a_killed_process_leaves_no_lock(tmp_path: Path) -> None:
    assert subprocess.run([sys.executable, "-c", HOLD, str(tmp_path)]).returncode == -9
    with locked(tmp_path, "works"):
        pass


def test_an_error_frees_the_lock(tmp_path: Path) -> None:
    with pytest.raises(KeyError), locked(tmp_path, "works"):
        raise KeyError
    with locked(tmp_path, "works"):
        pass


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(StorageError, match=r"file.folder cannot be written .*give another folder"),
        locked(tmp_path / "file" / "folder", "works"),
    ):
        pass
