"""All pictures of the evidence, each painted once and kept."""

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from PIL import Image
from rich.progress import track

from ..data.triplets import Triplet
from ..disk import require_room
from ..progress import console
from .methods import Method
from .pictures import SIDE


@dataclass(frozen=True)
class Job:
    """One picture to paint: the content in the style picture's style."""

    method: Method
    content: Path
    style: Path
    prompt: str
    seed: int

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


def paint_all(jobs: Sequence[Job], folder: Path, open_paint: OpenPaint) -> dict[Job, Path]:
    """Where each job's picture is; those that are not there yet are painted. A stop half way loses one picture.

    Raises:
        TrainingError: the disk has no room for them.
        ComfyError: a picture could not be painted.
    """
    paths = {job: folder / job.method.key / job.name for job in jobs}
    missing = [job for job, path in paths.items() if not path.exists()]
    if not missing:
        return paths
    require_room(folder, len(missing) * SIDE * SIDE * 3, f"{len(missing)} pictures")
    with open_paint() as paint:
        for job in track(missing, "pictures", console=console, disable=not console.is_terminal):
            _save(paint(job), paths[job])
    return paths


def _save(picture: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    picture.save(partial, format="PNG")
    os.replace(partial, path)
