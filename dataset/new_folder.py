"""The folder of a new dataset: checked before any work, and created whole or not at all."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import DataError
from ..storage.disk_space import require_room


def require_target(folder: Path, images: int, size: int) -> None:
    """Checks the size of the images, that the folder is free, and that the disk has room for the PNG files.

    Args:
        folder: the folder to create; an empty folder may exist.
        images: number of images to write, at most.
        size: side of an image in pixels.

    Raises:
        DataError: the size is not a multiple of 16, or the folder exists.
        StorageError: the disk has less free space.
    """
    require_free_target(folder, size)
    require_room(folder, images * size * size * 3, f"up to {images:,} images of {size} x {size}")


def require_free_target(folder: Path, size: int) -> None:
    """Checks the size of the images, and that the folder is free.

    Raises:
        DataError: the size is not a multiple of 16, or the folder exists.
    """
    if size < 16 or size % 16:
        raise DataError(f"the size is {size} pixels, expected a multiple of 16 (one image token): give another size")
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise DataError(f"{folder} exists already: remove it, or give another folder")


@contextmanager
def whole_or_nothing(folder: Path) -> Iterator[Path]:
    """Yields a temporary folder beside ``folder``; it is renamed to ``folder`` when the block ends."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f"{folder.name}.unfinished-") as temporary:
        unfinished = Path(temporary) / folder.name
        unfinished.mkdir()
        yield unfinished
        if folder.exists():
            folder.rmdir()
        unfinished.rename(folder)
