"""A lock on a folder, so that one process at a time fills it. The end of a process, also by a kill, frees its locks."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import StorageError
from ..progress import console

LOCK_FILE = "lock"
POLL_SECONDS = 0.2
"""Seconds between two attempts to get a lock that another process holds."""


@contextmanager
def locked(folder: Path, work: str) -> Iterator[None]:
    """Runs the block while no other process is in a block for the same folder; waits for other processes first.

    Args:
        folder: the folder; it is created.
        work: what another process does in the folder, for the message while this one waits.

    Raises:
        StorageError: the folder is not writable.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / LOCK_FILE).open("a+b")
    except OSError as error:
        raise StorageError(f"{folder} cannot be written ({error}): make it writable, or give another folder") from error
    with file:
        if not _try_lock(file.fileno()):
            console.print(f"Another run {work} in {folder}; this run waits for its end", soft_wrap=True)
            while not _try_lock(file.fileno()):
                time.sleep(POLL_SECONDS)
        try:
            yield
        finally:
            _unlock(file.fileno())


if os.name == "nt":
    import msvcrt

    def _try_lock(file: int) -> bool:
        """Whether this process now has the lock."""
        try:
            os.lseek(file, 0, os.SEEK_SET)
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(file: int) -> None:
        os.lseek(file, 0, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _try_lock(file: int) -> bool:
        """Whether this process now has the lock. Some network disks have no locks: there it always has it."""
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True

    def _unlock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)
