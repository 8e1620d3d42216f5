"""All images of the evidence, each painted once and kept."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from typing import Any, Protocol, TypeVar

from PIL import Image

from ..paths import PACK, TINY_MODELS
from ..progress import track
from ..storage.disk_space import require_room
from ..storage.whole_file import whole_file
from .images import SIDE

BASE = "tiny-kontext"
"""The model that everything is painted with."""
PAINTED_BY = ("moe", "attention", "nodes")
"""Layers of the pack whose code an image depends on."""


class Placed(Protocol):
    """What can be painted; ``place`` is where its image is, in the folder of all images."""

    @property
    def place(self) -> Path: ...


AnyJob = TypeVar("AnyJob", bound=Placed)


def save_image(image: Image.Image, path: Path) -> None:
    """Write a PNG, whole or not at all."""
    with whole_file(path) as partial:
        image.save(partial, format="PNG")


def paint_all(
    jobs: Sequence[AnyJob],
    folder: Path,
    open_paint: Callable[[], AbstractContextManager[Callable[[AnyJob], Any]]],
    save: Callable[[Any, Path], None] = save_image,
) -> dict[AnyJob, Path]:
    """Where each job's image is; those that are not there yet are painted. A stop half way loses one image.

    Args:
        jobs: what is to be there.
        folder: of all images.
        open_paint: makes what paints ready.
        save: writes what was painted; the image itself last.

    Raises:
        TrainingError: the disk has no room for them.
        ComfyError: an image could not be painted.
    """
    paths = {job: folder / job.place for job in jobs}
    missing = [job for job, path in paths.items() if not path.exists()]
    if not missing:
        return paths
    require_room(folder, len(missing) * SIDE * SIDE * 3, f"{len(missing)} images")
    with open_paint() as paint:
        for job in track(missing, "images"):
            save(paint(job), paths[job])
    return paths


def folder_name(name: str, told: str, files: Iterable[Path]) -> str:
    """Of a method's images: the name, and a digest of what it is told, its files, the base and the nodes' code."""
    digest = hashlib.sha256(told.encode())
    code = (path for layer in PAINTED_BY for path in sorted((PACK / layer).rglob("*.py")))
    for path in (*files, *sorted(TINY_MODELS.glob("*.safetensors")), *code):
        digest.update(_digest(path, path.stat().st_mtime_ns))
    words = "".join(letter if letter.isalnum() else " " for letter in name.lower()).split()
    return f"{'_'.join(words)}-{digest.hexdigest()[:12]}"


@cache
def _digest(path: Path, written: int) -> bytes:
    """Of a file as it was written then."""
    return hashlib.sha256(path.read_bytes()).digest()
