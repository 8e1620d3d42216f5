"""All pictures of the evidence, each painted once and kept."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeVar

from PIL import Image
from rich.progress import track

from ..data.triplets import Triplet
from ..disk import require_room
from ..progress import console
from ..whole_file import whole_file
from .methods import Method
from .pictures import SIDE


class Placed(Protocol):
    """What can be painted; ``place`` is where its picture is, in the folder of all pictures."""

    @property
    def place(self) -> Path: ...


AnyJob = TypeVar("AnyJob", bound=Placed)


@dataclass(frozen=True)
class Job:
    """One picture to paint: the content in the style picture's style."""

    method: Method
    content: Path
    style: Path
    prompt: str
    seed: int

    @property
    def place(self) -> Path:
        """Where its picture is, in the folder of all pictures."""
        return Path(self.method.key, self.name)

    @cached_property
    def name(self) -> str:
        """File name in the folder of the method: another one for other pictures or another prompt."""
        digest = hashlib.sha256(self.prompt.encode())
        for path in (self.content, self.style):
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        return f"{self.style.parent.name}_{self.content.stem}_{digest.hexdigest()[:12]}_seed{self.seed}.png"


Paint = Callable[[Job], Image.Image]
OpenPaint = Callable[[], AbstractContextManager[Paint]]
"""Makes what paints ready, a ComfyUI as a rule; only entered if there is something to paint."""


def jobs_of(method: Method, triplets: Iterable[Triplet], seeds: int) -> list[Job]:
    """Each triplet with each seed."""
    return [Job(method, row.content, row.reference, row.prompt, seed) for row in triplets for seed in range(seeds)]


def save_picture(picture: Image.Image, path: Path) -> None:
    """Write a PNG, whole or not at all."""
    with whole_file(path) as partial:
        picture.save(partial, format="PNG")


def paint_all(
    jobs: Sequence[AnyJob],
    folder: Path,
    open_paint: Callable[[], AbstractContextManager[Callable[[AnyJob], Any]]],
    save: Callable[[Any, Path], None] = save_picture,
) -> dict[AnyJob, Path]:
    """Where each job's picture is; those that are not there yet are painted. A stop half way loses one picture.

    Args:
        jobs: what is to be there.
        folder: of all pictures.
        open_paint: makes what paints ready.
        save: writes what was painted; the picture itself last.

    Raises:
        TrainingError: the disk has no room for them.
        ComfyError: a picture could not be painted.
    """
    paths = {job: folder / job.place for job in jobs}
    missing = [job for job, path in paths.items() if not path.exists()]
    if not missing:
        return paths
    require_room(folder, len(missing) * SIDE * SIDE * 3, f"{len(missing)} pictures")
    with open_paint() as paint:
        for job in track(missing, "pictures", console=console, disable=not console.is_terminal):
            save(paint(job), paths[job])
    return paths
