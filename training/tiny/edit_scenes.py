"""Makes the scenes that the small Kontext is trained on: photos with objects, edited by the training instructions."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms.functional import to_tensor

from ...dataset.edits import EDITS, KEEP, apply_edit, instruction
from ...dataset.objects import Cutout
from ...dataset.photos import Photo
from ...dataset.scenes import Scene, caption_photo, make_scene
from ...dataset.teacher import STYLE_NAMES, TRAIN_STYLES, stylise
from ..precision import cpu_autocast
from .autoencoder import Autoencoder
from .config import IMAGE_SIZES, WINDOW_SIZES
from .edit_samples import style_prompt, vision_size

STYLES_PER_SCENE = 3
"""Number of stylised images per scene, in different training styles."""

EDITS_PER_OBJECT = 2
"""Number of different edits per object, in scenes that are made for object edits."""

WHOLE_SHARE = 0.4
"""Share of the scenes that are kept whole. Of the others only a window is encoded, which costs less time."""

LEAST_SHOWN = 0.02
"""Least share of a window that an object must cover. Otherwise no edit and no caption names the object."""

Target = tuple[dict[str, Any], np.ndarray]
"""Fields of an `EditSample` and the edited image [H, W, 3] in 0..1."""


@dataclass(frozen=True)
class EditScenes:
    """Makes each scene by its number; equal numbers and seeds give equal scenes.

    Attributes:
        photos: the training photos.
        objects: the objects to paste.
        model: the autoencoder that encodes the images.
        object_share: share of the scenes with object edits only, which teach the model to find named objects.
        seed: seed of all random choices.
    """

    photos: list[Photo]
    objects: list[Cutout]
    model: Autoencoder
    object_share: float = 0.5
    seed: int = 0

    def __call__(self, number: int) -> dict[str, Any]:
        """Makes the samples, latents [n, 16, H, W] (float16) and small images of one scene."""
        rng = random.Random(f"{self.seed} {number}")
        photo = self.photos[self._order[number % len(self.photos)]]
        of_objects = rng.random() < self.object_share
        count = rng.choices((0, 1, 2), (0, 0.5, 0.5) if of_objects else (0.25, 0.45, 0.3))[0]
        scene = make_scene(photo, self.objects, count, rng.choice(_sizes(photo)), rng)
        window = _window(scene, rng)
        shown = {name: mask for name, mask in scene.masks.items() if mask[window].mean() >= LEAST_SHOWN}
        scene = Scene(scene.image, shown)
        edited = _object_targets(scene, rng) if of_objects else _targets(scene, rng)
        targets = [({"kind": "keep", "prompt": KEEP}, scene.image), *edited]
        samples, images = list[dict[str, Any]](), list[Tensor]()
        for target, (entry, image) in enumerate(targets):
            if entry["kind"] in ("keep", "stylise"):
                entry["image"] = len(images)
                images.append(_shrink(image[window]))
            samples.append({"caption": caption_photo(scene), **entry, "scene": 0, "target": target})
        latents = torch.cat([self._encode(image[window]) for _, image in targets])
        return {"samples": samples, "latents": latents, "images": torch.stack(images)}

    @property
    def _order(self) -> list[int]:
        return random.Random(self.seed).sample(range(len(self.photos)), len(self.photos))

    @torch.no_grad()
    def _encode(self, image: np.ndarray) -> Tensor:
        batch = to_tensor(image)[None].float().contiguous(memory_format=torch.channels_last)
        with cpu_autocast():
            return self.model.encode(batch).half().contiguous()


def _sizes(photo: Photo) -> list[tuple[int, int]]:
    """The sizes of scenes that the whole photo holds; at least the smallest window."""
    smallest, *larger = WINDOW_SIZES
    for sizes in (IMAGE_SIZES, larger):
        if held := [size for size in sizes if photo.holds(size)]:
            return held
    return [smallest]


def _window(scene: Scene, rng: random.Random) -> tuple[slice, slice]:
    """Rows and columns of the part that is encoded: the whole scene, or a window that shows the middle of an object."""
    height, width = scene.image.shape[:2]
    fitting = [size for size in WINDOW_SIZES if size[0] <= height and size[1] <= width]
    if rng.random() < WHOLE_SHARE or not fitting:
        return slice(0, height), slice(0, width)
    rows, columns = rng.choice(fitting)
    middle = _middle(rng.choice(list(scene.masks.values()))) if scene.masks else (height // 2, width // 2)
    top, left = (
        min(max(0, place - rng.randint(side // 4, side * 3 // 4)), full - side)
        for place, side, full in zip(middle, (rows, columns), (height, width), strict=True)
    )
    return slice(top, top + rows), slice(left, left + columns)


def _middle(mask: np.ndarray) -> tuple[int, int]:
    """Row and column of the centre of a mask [H, W], which is not empty."""
    rows, columns = np.nonzero(mask > 0.5 * mask.max())
    return int(rows.mean()), int(columns.mean())


def _shrink(image: np.ndarray) -> Tensor:
    """Resizes an image [H, W, 3] in 0..1 to uint8 [3, 128, 128], the input of the vision tower."""
    return (vision_size(to_tensor(image)[None].float()) * 255).round().byte()[0]


def _targets(scene: Scene, rng: random.Random) -> Iterator[Target]:
    for edit in rng.sample(list(EDITS), 2):
        yield {"kind": "whole", "prompt": instruction(edit)}, apply_edit(edit, scene.image)
    for edit in rng.sample(list(EDITS), 2) if scene.masks else ():
        name = rng.choice(list(scene.masks))
        yield {"kind": "object", "prompt": instruction(edit, name)}, apply_edit(edit, scene.image, scene.masks[name])
    for style in rng.sample(TRAIN_STYLES, STYLES_PER_SCENE):
        stylised = stylise((scene.image * 255).round().astype(np.uint8), style).astype(np.float32) / 255
        caption = f"a painting in the {STYLE_NAMES[style]} style"
        yield {"kind": "stylise", "prompt": style_prompt(style), "caption": caption, "style": style}, stylised


def _object_targets(scene: Scene, rng: random.Random) -> Iterator[Target]:
    """Edits each object of the scene in turn, so that only the name in the prompt says which one changes."""
    for name, mask in scene.masks.items():
        for edit in rng.sample(list(EDITS), EDITS_PER_OBJECT):
            yield {"kind": "object", "prompt": instruction(edit, name)}, apply_edit(edit, scene.image, mask)
