"""Scenes from unseen photos, and the exact target of each instruction."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...dataset.edits import EDITS, KEEP, apply_edit, instruction
from ...dataset.objects import Cutout
from ...dataset.photos import Photo
from ...dataset.scenes import Scene, make_scene


@dataclass(frozen=True)
class Instruction:
    """One instruction of the test.

    Attributes:
        name: its name in tables.
        edit: name of the edit; None to keep the image.
        of_object: whether only one object is edited.
    """

    name: str
    edit: str | None = None
    of_object: bool = False

    @property
    def by_region(self) -> bool:
        """Whether the inside and the outside of the object are scored, too."""
        return self.of_object or self.edit is None


INSTRUCTIONS = (
    Instruction("keep"),
    *(Instruction(name, name) for name in EDITS),
    *(Instruction(f"object {name}", name, of_object=True) for name in EDITS),
)
"""All instructions: keep the image, edit all of it, edit one object."""


@dataclass(frozen=True, eq=False)
class EditTrial:
    """A scene, a prompt, the exact target [H, W, 3] in 0..1, and the mask [H, W] of the first object."""

    scene: Scene
    prompt: str
    target: np.ndarray
    mask: np.ndarray


def choose_scenes(
    photos: Sequence[Photo], objects: list[Cutout], count: int, size: tuple[int, int], seed: int
) -> list[Scene]:
    """Makes scenes with one or two objects in turn. Every instruction gets the same scenes, so that scores compare."""
    rng = random.Random(seed)
    return [
        make_scene(photos[number % len(photos)], objects, 1 + number % 2, size, rng, crop=False)
        for number in range(count)
    ]


def make_trial(scene: Scene, wanted: Instruction) -> EditTrial:
    """Applies an instruction to a scene; an instruction for an object edits the first object."""
    name, mask = next(iter(scene.masks.items()))
    if wanted.edit is None:
        return EditTrial(scene, KEEP, scene.image, mask)
    prompt = instruction(wanted.edit, name if wanted.of_object else None)
    target = apply_edit(wanted.edit, scene.image, mask if wanted.of_object else None)
    return EditTrial(scene, prompt, target, mask)
