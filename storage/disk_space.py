"""Checks that files can be written, before the work for them starts."""

import os
import shutil
import tempfile
from pathlib import Path

from ..errors import StorageError
from ..files import require_possible


def require_room(folder: Path, num_bytes: int, what: str) -> None:
    """Checks that the disk of `folder` has `num_bytes` free. The folder need not exist yet.

    Args:
        folder: the folder to write to.
        num_bytes: the space needed, in bytes.
        what: a plural name for the files, for the message.

    Raises:
        StorageError: the disk has less free space.
    """
    free = shutil.disk_usage(_existing(folder)).free
    if free < num_bytes:
        raise StorageError(
            f"{what} need {_size(num_bytes)} in {folder}, but only {_size(free)} are free there: "
            "make room, or choose a folder on another disk"
        )


def require_writable(path: Path) -> None:
    """Checks that a result can be written to `path` later. Nothing is created or changed.

    Raises:
        StorageError: `path` is a folder, or its folder cannot be created or written to.
    """
    if os.path.isdir(path):
        raise StorageError(f"{path} is a folder, expected a file name: give another --output, or remove the folder")
    try:
        require_possible(path)
        # os.access would miss the permissions of Windows and read-only file systems.
        with tempfile.TemporaryFile(dir=_existing(path.parent)):
            pass
    except OSError as error:
        raise StorageError(
            f"{path} cannot be written ({error.strerror}): give another --output, or make its folder writable"
        ) from error


def _existing(folder: Path) -> Path:
    """The folder, or its nearest parent that exists."""
    return next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())


def _size(num_bytes: int) -> str:
    return f"{num_bytes / 2**30:,.1f} GiB" if num_bytes >= 2**29 else f"{num_bytes / 2**20:,.1f} MiB"
