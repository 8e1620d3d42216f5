"""Training samples of the small Kontext: reference latents, prompt and target latents, made once and kept on disk."""

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
from ..precision import cpu_autocast
from .autoencoder import Autoencoder
from .config import IMAGE_SIDE, SIGLIP

KINDS = ("keep", "whole", "object", "stylise")
"""Kinds of samples: no change, an edit of the image, an edit of one object, a style for the image."""

STYLES_PER_SCENE = 4
"""Number of stylised images per scene, in different training styles."""

EDITS_PER_OBJECT = 3
"""Number of different edits per object, in scenes that are made for object edits."""


@dataclass(frozen=True)
class EditSample:
    """One training sample: a target for one scene. The scene's latents are the reference.

    ``prompt`` is the instruction; ``caption`` describes the image without an instruction.
    ``scene`` and ``target`` are indices of latents; ``image`` is an index of the small images (-1: none).
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
    """All samples with their latents [N, 16, 32, 32] (float16) and small images [M, 3, 128, 128] (uint8)."""

    samples: list[EditSample]
    latents: Tensor
    images: Tensor

    @cached_property
    def groups(self) -> dict[str, list[EditSample]]:
        """The samples by kind."""
        return {kind: [sample for sample in self.samples if sample.kind == kind] for kind in KINDS}


def style_prompt(style: int) -> str:
    """Returns the instruction to stylise the reference in a named style."""
    return f"paint the image in the {STYLE_NAMES[style]} style"


def load_edit_samples(
    model: Autoencoder, path: Path, scenes: int, object_scenes: int = 0, seed: int = 0
) -> EditSamples:
    """Reads the samples from ``path``, or makes them with the autoencoder and writes them there.

    Args:
        scenes: number of scenes with samples of every kind.
        object_scenes: number of further scenes with object edits only, which teach the model to find named objects.
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
        edited = _object_targets(scene, rng) if of_objects else _targets(scene, rng)
        targets = [({"kind": "keep", "prompt": KEEP}, scene.image), *edited]
        latents.append(_encode(model, [image for _, image in targets]))
        for offset, (entry, image) in enumerate(targets):
            if entry["kind"] in ("keep", "stylise"):
                entry["image"] = len(images)
                images.append(_shrink(image))
            samples.append({"caption": caption_photo(scene), **entry, "scene": first, "target": first + offset})
    return {"samples": samples, "latents": torch.cat(latents), "images": torch.stack(images)}


def _shrink(image: np.ndarray) -> Tensor:
    """Resizes an image [S, S, 3] in 0..1 to uint8 [3, 128, 128], the input of the vision tower."""
    pixels = to_tensor(image)[None].float()
    return (vision_size(pixels) * 255).round().byte()[0]


def _targets(scene: Scene, rng: random.Random) -> Iterator[tuple[dict, np.ndarray]]:
    for edit in rng.sample(list(EDITS), 2):
        yield {"kind": "whole", "prompt": instruction(edit)}, apply_edit(edit, scene.image)
    for edit in rng.sample(list(EDITS), 3) if scene.masks else ():
        name = rng.choice(list(scene.masks))
        yield {"kind": "object", "prompt": instruction(edit, name)}, apply_edit(edit, scene.image, scene.masks[name])
    for style in rng.sample(TRAIN_STYLES, STYLES_PER_SCENE):
        stylised = stylise((scene.image * 255).astype(np.uint8), style).astype(np.float32) / 255
        caption = f"a painting in the {STYLE_NAMES[style]} style"
        yield {"kind": "stylise", "prompt": style_prompt(style), "caption": caption, "style": style}, stylised


def _object_targets(scene: Scene, rng: random.Random) -> Iterator[tuple[dict, np.ndarray]]:
    """Edits each object of the scene in turn, so that only the name in the prompt says which one changes."""
    for name, mask in scene.masks.items():
        for edit in rng.sample(list(EDITS), EDITS_PER_OBJECT):
            yield {"kind": "object", "prompt": instruction(edit, name)}, apply_edit(edit, scene.image, mask)


def vision_size(images: Tensor) -> Tensor:
    """Resizes images [B, 3, H, W] in 0..1 to the vision tower's size, bicubic and without cropping."""
    size = (SIGLIP["image_size"],) * 2
    return functional.interpolate(images, size, mode="bicubic", antialias=True).clamp(0, 1)


@torch.no_grad()
def _encode(model: Autoencoder, images: list[np.ndarray]) -> Tensor:
    batch = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float().contiguous(memory_format=torch.channels_last)
    with cpu_autocast():
        return model.encode(batch).half().contiguous()
