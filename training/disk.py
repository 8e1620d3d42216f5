"""Room on the disk, asked for before a large file is begun."""

import shutil
from pathlib import Path

from .run_folder import TrainingError


def require_room(folder: Path, num_bytes: int, what: str) -> None:
    """Checks that `folder` (which need not exist yet) has `num_bytes` free.

    Raises:
        TrainingError: it has not.
    """
    there = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    free = shutil.disk_usage(there).free
    if free < num_bytes:
        raise TrainingError(
            f"{what} need {_size(num_bytes)} in {folder}, but only {_size(free)} are free there: "
            "make room, or choose a folder on another disk"
        )


def _size(num_bytes: int) -> str:
    return f"{num_bytes / 2**30:,.1f} GiB" if num_bytes >= 2**29 else f"{num_bytes / 2**20:,.1f} MiB"
