"""Opens regular files, tells whether a file has changed, and names temporary files."""

import errno
import io
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

FileState = tuple[int, int, int]
"""(inode, time of the last change in ns, size in bytes) of a file. It changes when the file is edited or replaced."""


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


def temporary_beside(path: Path) -> Path:
    """An unused name in the folder of `path`, for a file that will be renamed to `path`. The folder is created.

    The name is random: a name made from `path` could be a user's file. It is short, because `path` may have the
    longest name that the file system allows.

    Raises:
        OSError: no file can have the path `path`, it is a folder, or its folder cannot be created.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a folder, expected a file name", str(path))
        with suppress(FileNotFoundError):
            os.lstat(path)
    except ValueError as error:
        raise _impossible(path) from error
    return path.with_name(f".styleroute-{secrets.token_hex(8)}.partial")


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
