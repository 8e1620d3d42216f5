"""The images to generate for regions. The attention map lies beside each image, as numbers and as an overlay."""

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
from ..generated_images import save_image
from .methods import RegionMethod
from .trials import region_of


@dataclass(frozen=True)
class RegionJob:
    """One image to generate: an example's prompt on its original.

    Attributes:
        blocks: the blocks whose attention is captured, as in the node's input.
    """

    method: RegionMethod
    example: RegionExample
    seed: int
    blocks: str = "all"

    @property
    def style(self) -> str:
        """The style of the object."""
        return region_of(self.example).style

    @cached_property
    def images_folder(self) -> str:
        """The folder of the method's images in this style."""
        return self.method.images_folder(self.style, self.blocks)

    @cached_property
    def relative_path(self) -> Path:
        """The image's file, relative to the folder of all images. It contains a digest of original and prompt."""
        digest = hashlib.sha256(self.example.prompt.encode() + self.example.original.read_bytes()).hexdigest()[:12]
        name = region_of(self.example).object.replace(" ", "_")
        return Path(self.images_folder, f"{self.example.original.stem}_{name}_{digest}_seed{self.seed}.png")


@dataclass(frozen=True)
class GeneratedRegion:
    """A generated image with its attention maps.

    Attributes:
        image: the result.
        overlay: the map of the style phrase over the photo.
        maps: attention maps by phrase, such as "style: ink comic": h rows of w values.
    """

    image: Image.Image
    overlay: Image.Image
    maps: Mapping[str, list[list[float]]]


OpenRegionGenerator = Callable[[], AbstractContextManager[Callable[[RegionJob], GeneratedRegion]]]
"""Opens the function that generates an image, usually a ComfyUI; only called if an image is missing."""


def region_jobs(method: RegionMethod, examples: Iterable[RegionExample], seeds: int, blocks: str) -> list[RegionJob]:
    """Each example with each seed, example by example."""
    return [RegionJob(method, example, seed, blocks) for example in examples for seed in range(seeds)]


def save_region(region: GeneratedRegion, path: Path) -> None:
    """Write maps, overlay and image. The image comes last: if it exists, the other files exist too."""
    with whole_file(_maps_file(path)) as partial:
        partial.write_text(json.dumps(dict(region.maps)), encoding="utf-8")
    save_image(region.overlay, overlay_file(path))
    save_image(region.image, path)


def overlay_file(path: Path) -> Path:
    """The overlay's file, beside the image `path`."""
    return path.with_name(f"{path.stem}_map.png")


def read_map(path: Path) -> np.ndarray:
    """The map [h, w] of the style phrase that belongs to the image `path`; the mean over several style phrases."""
    maps = json.loads(_maps_file(path).read_text(encoding="utf-8"))
    return np.mean([values for name, values in maps.items() if name.startswith("style: ")], axis=0)


def _maps_file(path: Path) -> Path:
    return path.with_suffix(".json")
