"""A data set's folder: refused before any work when it cannot be made, and made whole or not at all."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import DataError
from ..storage.disk_space import require_room


def require_target(folder: Path, images: int, size: int) -> None:
    """Refuse a size that no latent fits, a folder that is taken, a disk too small for so many PNG files.

    Raises:
        DataError, TrainingError: with what was found and what to do.
    """
    if size < 16 or size % 16:
        raise DataError(f"a size of {size} pixels does not fit the latent tokens: give a multiple of 16")
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise DataError(f"{folder} is there already: remove it, or give another folder")
    require_room(folder, images * size * size * 3, f"up to {images:,} images of {size} x {size}")


@contextmanager
def whole_or_nothing(folder: Path) -> Iterator[Path]:
    """A new folder beside ``folder``, moved there at the end."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f"{folder.name}.unfinished-") as temporary:
        unfinished = Path(temporary) / folder.name
        unfinished.mkdir()
        yield unfinished
        if folder.exists():
            folder.rmdir()
        unfinished.rename(folder)
