"""Files that are there whole or not at all, whatever stops the program that writes them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import StorageError


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Gives the path to write to, which takes the place of `path` when the block ends; folders are made.

    Raises:
        StorageError: the disk is full, or cannot be written.
    """
    partial = path.with_name(f"{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        # Else a power cut may leave the new name with nothing of its content.
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
    except (OSError, RuntimeError) as error:  # the latter is torch's, of a full disk
        raise StorageError(
            f"{path} could not be written ({error}): make room on its disk, or see that it may be written to; what was "
            "there before stays"
        ) from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
