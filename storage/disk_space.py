"""Whether a file can be written, asked before the work that makes it is begun."""

import shutil
import tempfile
from pathlib import Path

from ..errors import StorageError


def require_room(folder: Path, num_bytes: int, what: str) -> None:
    """Checks that `folder` (which need not exist yet) has `num_bytes` free.

    Raises:
        StorageError: it has not.
    """
    free = shutil.disk_usage(_existing(folder)).free
    if free < num_bytes:
        raise StorageError(
            f"{what} need {_size(num_bytes)} in {folder}, but only {_size(free)} are free there: "
            "make room, or choose a folder on another disk"
        )


def require_writable(path: Path) -> None:
    """Checks that `path`, a training's result, can be written in the end. Nothing is made or changed.

    Raises:
        StorageError: it is a folder, or its own cannot be made or written to.
    """
    if path.is_dir():
        raise StorageError(f"{path} is a folder, expected a file to write: give another --output, or take it away")
    try:
        # Not os.access: it knows neither the rights of Windows nor a file system that refuses all the same.
        with tempfile.TemporaryFile(dir=_existing(path.parent)):
            pass
    except OSError as error:
        raise StorageError(
            f"{path} cannot be written ({error.strerror}): give another --output, or see that its folder can be made "
            "and written to"
        ) from error


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    return next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())


def _size(num_bytes: int) -> str:
    return f"{num_bytes / 2**30:,.1f} GiB" if num_bytes >= 2**29 else f"{num_bytes / 2**20:,.1f} MiB"
