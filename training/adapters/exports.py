"""Expert files that a training writes on its way, of which the newest are kept."""

import glob
from pathlib import Path

ENDING = ".safetensors"


def export_path(folder: Path, stem: str, step: int) -> Path:
    """Path of the expert file of a step, such as "exports/experts_000500.safetensors"."""
    return folder / f"{stem}_{step:06}{ENDING}"


def delete_old_exports(folder: Path, stem: str, keep: int) -> None:
    """Delete the oldest expert files of a training, by their steps.

    Args:
        folder: the folder of the files; other files in it stay.
        stem: the first part of their names.
        keep: number of files that stay; 0: all.
    """
    if keep:
        for path in exports(folder, stem)[:-keep]:
            path.unlink(missing_ok=True)


def exports(folder: Path, stem: str) -> list[Path]:
    """The expert files of a training in the order of their steps."""
    found = {_step(path, stem): path for path in folder.glob(f"{glob.escape(stem)}_*{ENDING}")}
    return [path for step, path in sorted(found.items()) if step >= 0]


def _step(path: Path, stem: str) -> int:
    """The step in a file's name; -1 for another file."""
    number = path.name.removeprefix(f"{stem}_").removesuffix(ENDING)
    return int(number) if number.isascii() and number.isdigit() else -1
