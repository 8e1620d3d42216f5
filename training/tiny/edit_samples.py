"""What the tiny Kontext is taught: reference latents, a prompt, target latents. Made once and kept on disk."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torchvision.transforms.functional import to_tensor

from ...dataset.edits import EDITS, KEEP, apply_edit, instruction
from ...dataset.objects import load_objects
from ...dataset.photos import load_photos
from ...dataset.scenes import Scene, caption_photo, make_scene
from ...dataset.teacher import STYLE_NAMES, TRAIN_STYLES, stylise
from ...progress import track
from ...storage.whole_file import whole_file
from .autoencoder import Autoencoder
from .config import IMAGE_SIDE, SIGLIP

KINDS = ("keep", "whole", "object", "stylise")

STYLES_PER_SCENE = 4
"""Paintings of each scene, in different training styles."""

EDITS_PER_OBJECT = 3
"""Different edits of each object of a scene that is made for its objects."""


@dataclass(frozen=True)
class EditSample:
    """One target of one scene; the scene's own latents are its reference, and ``caption`` tells of it alone.

    ``scene`` and ``target`` are indices of latents; ``image``, for photos and paintings, of the small images.
    """

    kind: str
    prompt: str
    caption: str
    scene: int
    target: int
    style: int = -1
    image: int = -1


@dataclass
class EditSamples:
    """All samples, and what they point into: latents [N, 16, 32, 32] (float16), images [M, 3, 128, 128] (uint8)."""

    samples: list[EditSample]
    latents: Tensor
    images: Tensor

    @cached_property
    def groups(self) -> dict[str, list[EditSample]]:
        """The samples by kind."""
        return {kind: [sample for sample in self.samples if sample.kind == kind] for kind in KINDS}


def style_prompt(style: int) -> str:
    """The instruction to paint the reference in a style by name."""
    return f"paint the image in the {STYLE_NAMES[style]} style"


def load_edit_samples(
    model: Autoencoder, path: Path, scenes: int, object_scenes: int = 0, seed: int = 0
) -> EditSamples:
    """Read the samples from ``path``, or make them with the autoencoder and write them there.

    Args:
        scenes: scenes with samples of every kind.
        object_scenes: further scenes with nothing but edits of each of their objects: words find places by them.
    """
    if not path.exists():
        made = _make(model, scenes, object_scenes, seed)
        with whole_file(path) as partial:
            torch.save(made, partial)
    stored = torch.load(path, weights_only=True)
    return EditSamples([EditSample(**entry) for entry in stored["samples"]], stored["latents"], stored["images"])


def _make(model: Autoencoder, scenes: int, object_scenes: int, seed: int) -> dict:
    rng = random.Random(seed)
    photos, objects = load_photos("train"), load_objects()
    samples: list[dict] = []
    latents: list[Tensor] = []
    images: list[Tensor] = []
    numbers = range(scenes + object_scenes)
    for number in track(numbers, "samples"):
        of_objects = number >= scenes
        count = rng.choices((0, 1, 2), (0, 0.5, 0.5) if of_objects else (0.25, 0.45, 0.3))[0]
        scene = make_scene(photos[number % len(photos)], objects, count, IMAGE_SIDE, rng)
        first = sum(len(batch) for batch in latents)
        others = _object_targets(scene, rng) if of_objects else _targets(scene, rng)
        targets = [({"kind": "keep", "prompt": KEEP}, scene.image), *others]
        latents.append(_encode(model, [image for _, image in targets]))
        for offset, (entry, image) in enumerate(targets):
            if entry["kind"] in ("keep", "stylise"):
                entry["image"] = len(images)
                images.append(_shrink(image))
            samples.append({"caption": caption_photo(scene), **entry, "scene": first, "target": first + offset})
    return {"samples": samples, "latents": torch.cat(latents), "images": torch.stack(images)}


def _shrink(image: np.ndarray) -> Tensor:
    """[S, S, 3] in 0..1 -> uint8 [3, 128, 128], as the vision tower takes it."""
    pixels = to_tensor(image)[None].float()
    return (vision_size(pixels) * 255).round().byte()[0]


def _targets(scene: Scene, rng: random.Random) -> Iterator[tuple[dict, np.ndarray]]:
    for edit in rng.sample(list(EDITS), 2):
        yield {"kind": "whole", "prompt": instruction(edit)}, apply_edit(edit, scene.image)
    for edit in rng.sample(list(EDITS), 3) if scene.masks else ():
        name = rng.choice(list(scene.masks))
        yield {"kind": "object", "prompt": instruction(edit, name)}, apply_edit(edit, scene.image, scene.masks[name])
    for style in rng.sample(TRAIN_STYLES, STYLES_PER_SCENE):
        painted = stylise((scene.image * 255).astype(np.uint8), style).astype(np.float32) / 255
        caption = f"a painting in the {STYLE_NAMES[style]} style"
        yield {"kind": "stylise", "prompt": style_prompt(style), "caption": caption, "style": style}, painted


def _object_targets(scene: Scene, rng: random.Random) -> Iterator[tuple[dict, np.ndarray]]:
    """The same image edited in one place and in the other: only the name in the prompt tells which."""
    for name, mask in scene.masks.items():
        for edit in rng.sample(list(EDITS), EDITS_PER_OBJECT):
            yield {"kind": "object", "prompt": instruction(edit, name)}, apply_edit(edit, scene.image, mask)


def vision_size(images: Tensor) -> Tensor:
    """Images [B, 3, H, W] in 0..1 at the vision tower's size, resized without cropping (bicubic)."""
    size = (SIGLIP["image_size"],) * 2
    return functional.interpolate(images, size, mode="bicubic", antialias=True).clamp(0, 1)


@torch.no_grad()
def _encode(model: Autoencoder, images: list[np.ndarray]) -> Tensor:
    batch = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float().contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        return model.encode(batch).half().contiguous()
