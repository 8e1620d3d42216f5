"""What is painted of regions: an image, its map as numbers and over the photo, kept side by side."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from ...dataset.region_manifest import RegionExample
from ...storage.whole_file import whole_file
from ..painting import save_image
from .methods import RegionMethod
from .trials import region_of


@dataclass(frozen=True)
class RegionJob:
    """One image to paint: an example's prompt on its original.

    Attributes:
        blocks: whose attention is captured.
    """

    method: RegionMethod
    example: RegionExample
    seed: int
    blocks: str = "all"

    @property
    def style(self) -> str:
        """That the object is to have."""
        return region_of(self.example).style

    @cached_property
    def folder(self) -> str:
        """Of the method's images in this style."""
        return self.method.folder(self.style, self.blocks)

    @cached_property
    def place(self) -> Path:
        """Of its image: another one for another original or prompt."""
        digest = hashlib.sha256(self.example.prompt.encode() + self.example.original.read_bytes()).hexdigest()[:12]
        thing = region_of(self.example).object.replace(" ", "_")
        return Path(self.folder, f"{self.example.original.stem}_{thing}_{digest}_seed{self.seed}.png")


@dataclass(frozen=True)
class PaintedRegion:
    """What came out.

    Attributes:
        image: the result.
        heat: the map of the style's words over the photo.
        maps: of each phrase, such as "style: ink comic", h rows of w values of attention.
    """

    image: Image.Image
    heat: Image.Image
    maps: Mapping[str, list[list[float]]]


OpenRegionPaint = Callable[[], AbstractContextManager[Callable[[RegionJob], PaintedRegion]]]


def jobs_of(method: RegionMethod, examples: Iterable[RegionExample], seeds: int, blocks: str) -> list[RegionJob]:
    """Each example with each seed."""
    return [RegionJob(method, example, seed, blocks) for example in examples for seed in range(seeds)]


def save_region(painted: PaintedRegion, path: Path) -> None:
    """The image at `path`, the others beside it and before it: where it is, they are as well."""
    with whole_file(_maps_file(path)) as partial:
        partial.write_text(json.dumps(dict(painted.maps)), encoding="utf-8")
    save_image(painted.heat, heat_file(path))
    save_image(painted.image, path)


def heat_file(path: Path) -> Path:
    """The map over the photo, that belongs to an image."""
    return path.with_name(f"{path.stem}_map.png")


def read_map(path: Path) -> np.ndarray:
    """The map [h, w] of the style's words, that belongs to an image; the mean where a prompt has several styles."""
    maps = json.loads(_maps_file(path).read_text(encoding="utf-8"))
    return np.mean([values for name, values in maps.items() if name.startswith("style: ")], axis=0)


def _maps_file(path: Path) -> Path:
    return path.with_suffix(".json")
