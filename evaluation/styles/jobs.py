"""The images to generate for styles: one per method, trial and seed."""

import hashlib
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from PIL import Image

from ...dataset.scenes import IMAGE_SIDE
from ...dataset.triplets import Triplet
from .methods import StyleMethod


@dataclass(frozen=True)
class StyleJob:
    """One image to generate: the content image in the style of the style image.

    Attributes:
        side: height and width in pixels.
        reference: the image beside the content image, if it is another one than the style image.
    """

    method: StyleMethod
    content: Path
    style: Path
    prompt: str
    seed: int
    side: int = IMAGE_SIDE
    reference: Path | None = None

    @property
    def relative_path(self) -> Path:
        """The image's file, relative to the folder of all images."""
        return Path(self.method.images_folder, self.file_name)

    @cached_property
    def file_name(self) -> str:
        """The image's file name. It contains a digest of the images, the size and the prompt."""
        digest = hashlib.sha256(f"{self.side} {self.prompt}".encode())
        for path in filter(None, (self.content, self.style, self.reference)):
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        return f"{self.style.parent.name}_{self.content.stem}_{digest.hexdigest()[:12]}_seed{self.seed}.png"


OpenStyleGenerator = Callable[[], AbstractContextManager[Callable[[StyleJob], Image.Image]]]
"""Opens the function that generates an image, usually a ComfyUI; only called if an image is missing."""


def style_jobs(method: StyleMethod, triplets: Iterable[Triplet], seeds: int, side: int = IMAGE_SIDE) -> list[StyleJob]:
    """Each triplet with each seed, triplet by triplet."""
    return [
        StyleJob(method, row.content, row.reference, row.prompt, seed, side)
        for row in triplets
        for seed in range(seeds)
    ]
