"""What is painted of styles: one image a trial, seed and method."""

import hashlib
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from PIL import Image

from ...dataset.triplets import Triplet
from .methods import Method


@dataclass(frozen=True)
class Job:
    """One image to paint: the content in the style image's style."""

    method: Method
    content: Path
    style: Path
    prompt: str
    seed: int

    @property
    def place(self) -> Path:
        """Where its image is, in the folder of all images."""
        return Path(self.method.key, self.name)

    @cached_property
    def name(self) -> str:
        """File name in the folder of the method: another one for other images or another prompt."""
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
