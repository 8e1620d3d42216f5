"""The images to generate for named objects. The attention maps of the objects lie beside an image."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from ...storage.whole_file import whole_file
from ..generated_images import save_image
from .methods import ObjectMethod
from .trials import ObjectTrial

Maps = Mapping[str, list[list[float]]]
"""Attention maps by phrase, such as "object: teapot": h rows of w values."""


@dataclass(frozen=True)
class ObjectJob:
    """One image to generate: a scene by a method."""

    method: ObjectMethod
    trial: ObjectTrial

    @cached_property
    def relative_path(self) -> Path:
        """The image's file, relative to the folder of all images. It contains a digest of scene and styles."""
        trial = self.trial
        digest = hashlib.sha256(trial.prompt.encode() + trial.photo.read_bytes())
        for styled in trial.objects:
            digest.update(styled.style_image.read_bytes() + styled.mask.read_bytes())
        return Path(self.method.images_folder, f"{trial.number}_{digest.hexdigest()[:12]}.png")


@dataclass(frozen=True)
class GeneratedObjects:
    """A generated image with the attention maps of its objects; empty if the method records none."""

    image: Image.Image
    maps: Maps


def save_objects(generated: GeneratedObjects, path: Path) -> None:
    """Write maps and image. The image comes last: if it exists, the maps exist too."""
    with whole_file(_maps_file(path)) as partial:
        partial.write_text(json.dumps(dict(generated.maps)), encoding="utf-8")
    save_image(generated.image, path)


def read_maps(path: Path) -> dict[str, np.ndarray]:
    """The map [h, w] of each object that belongs to the image `path`, by the object's name."""
    maps = json.loads(_maps_file(path).read_text(encoding="utf-8"))
    return {
        name.removeprefix("object: "): np.array(values) for name, values in maps.items() if name.startswith("object: ")
    }


def _maps_file(path: Path) -> Path:
    return path.with_suffix(".json")
