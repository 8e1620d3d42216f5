"""Writes files whole or not at all, even if the program stops halfway."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import StorageError
from ..files import temporary_beside


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yields a temporary path to write to; it replaces `path` when the block ends. Missing folders are created.

    Raises:
        StorageError: the disk is full or not writable. The previous file stays.
    """
    partial = None
    try:
        partial = temporary_beside(path)
        yield partial
        # Without this, a power cut may leave the new name with an empty file.
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
    except (OSError, RuntimeError) as error:  # torch raises RuntimeError when the disk is full
        raise StorageError(
            f"{path} could not be written ({error}): make room on its disk, or make it writable. "
            "The previous file stays."
        ) from error
    finally:
        if partial is not None:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
