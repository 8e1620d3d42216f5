"""Opens regular files, tells whether a file has changed, names temporary files, and makes folders once."""

import errno
import io
import os
import secrets
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

FileState = tuple[int, int, int]
"""(inode, time of the last change in ns, size in bytes) of a file. It changes when the file is edited or replaced."""
MAX_NAME_BYTES = 255
"""Upper limit for a file name, in bytes. It holds for all common file systems."""
ABANDONED_SECONDS = 24 * 3600
"""Age at which a temporary file belongs to no running program, in seconds. The longest writes take minutes."""
_TEMPORARY_START, _TEMPORARY_END = ".styleroute-", ".partial"


def open_regular(path: str | os.PathLike[str]) -> io.FileIO:
    """Open a regular file for reading, without a buffer.

    Raises:
        OSError: the file cannot be opened, is no regular file, or its path is impossible. A pipe never blocks.
    """
    try:
        return open(path, "rb", buffering=0, opener=_open_regular)
    except ValueError as error:
        raise _impossible(path) from error


def state_of(file: io.FileIO) -> FileState:
    """The state of an open file."""
    # os.stat of a path may give another inode on Windows, so all comparisons use the open file.
    state = os.fstat(file.fileno())
    return state.st_ino, state.st_mtime_ns, state.st_size


def require_possible(path: Path) -> None:
    """Check that a file can have this path. Nothing is created.

    Raises:
        OSError: the name is too long or holds a null byte or a lone surrogate, links form a loop, or it is a folder.
    """
    try:
        if len(os.fsencode(path.name)) > MAX_NAME_BYTES:
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), str(path))
        with suppress(FileNotFoundError):
            if stat.S_ISDIR(os.lstat(path).st_mode):
                raise IsADirectoryError(errno.EISDIR, "it is a folder, expected a file name", str(path))
    except ValueError as error:
        raise _impossible(path) from error


def temporary_beside(path: Path) -> Path:
    """An unused name in the folder of `path`, for a file that will be renamed to `path`. The folder is created.

    The name is random: a name made from `path` could be a user's file. It is short, because `path` may have the
    longest name that the file system allows. Files of killed programs with such names are deleted after a day.

    Raises:
        OSError: no file can have the path `path`, or its folder cannot be created.
    """
    require_possible(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _delete_abandoned(path.parent)
    return path.with_name(f"{_TEMPORARY_START}{secrets.token_hex(8)}{_TEMPORARY_END}")


@contextmanager
def folder_made_once(target: Path) -> Iterator[Path]:
    """Yield a temporary folder to fill; it becomes `target` when the block ends. Missing parents are created.

    Several processes may do this at the same time: the first result stays. A stopped one leaves no partial `target`.

    Raises:
        OSError: the folder cannot be created.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=_TEMPORARY_START) as temporary:
        filled = Path(temporary) / target.name
        filled.mkdir()
        yield filled
        try:
            filled.rename(target)
        except OSError:
            if not target.is_dir():  # otherwise another process was faster
                raise


@cache
def _delete_abandoned(folder: Path) -> None:
    """Once per process and folder, because a folder may hold many files."""
    for path in folder.glob(f"{_TEMPORARY_START}*{_TEMPORARY_END}"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > ABANDONED_SECONDS:
                path.unlink()


def _impossible(path: str | os.PathLike[str]) -> OSError:
    """The error for a path with a null byte or a lone surrogate."""
    return OSError(errno.EINVAL, "the path holds characters that no file name can have", str(path))


def _open_regular(path: str, flags: int) -> int:
    # Without O_NONBLOCK, opening a pipe waits until another program writes to it. Windows has no such flag.
    number = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise OSError(errno.EINVAL, "it is a folder, a pipe or a device, expected a file", path)
    return number
