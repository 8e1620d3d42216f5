"""Training samples of the small Kontext: reference latents, prompt and target latents, made once and kept on disk."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ...dataset.teacher import STYLE_NAMES
from ...errors import TrainingError
from ...progress import track
from ...storage.whole_file import whole_file
from .config import SIGLIP

KINDS = ("keep", "whole", "object", "stylise")
"""Kinds of samples: no change, an edit of the image, an edit of one object, a style for the image."""


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
    """Samples with their latents, N times [16, H, W] (float16), and small images [M, 3, 128, 128] (uint8)."""

    samples: list[EditSample]
    latents: list[Tensor]
    images: Tensor

    @cached_property
    def groups(self) -> dict[str, list[EditSample]]:
        """The samples by kind."""
        return {kind: [sample for sample in self.samples if sample.kind == kind] for kind in KINDS}

    def size(self, sample: EditSample) -> tuple[int, int]:
        """Height and width of a sample in latent pixels."""
        _, height, width = self.latents[sample.scene].shape
        return height, width

    def choices(self, kind: str, size: tuple[int, int], whole: bool) -> list[EditSample]:
        """Returns the samples of a kind that have this size in latent pixels, or for a window at least this size."""
        if (kind, size, whole) not in self._choices:
            self._choices[kind, size, whole] = [
                sample for sample in self.groups[kind] if self._fits(self.size(sample), size, whole)
            ]
        return self._choices[kind, size, whole]

    @staticmethod
    def _fits(own: tuple[int, int], size: tuple[int, int], whole: bool) -> bool:
        return own == size if whole else own[0] >= size[0] and own[1] >= size[1]

    @cached_property
    def _choices(self) -> dict[tuple[str, tuple[int, int], bool], list[EditSample]]:
        return {}


def style_prompt(style: int) -> str:
    """Returns the instruction to stylise the reference in a named style."""
    return f"paint the image in the {STYLE_NAMES[style]} style"


def load_edit_samples(
    folder: Path, make: Callable[[int], dict[str, Any]], scenes: int, settings: Mapping[str, Any]
) -> EditSamples:
    """Reads the samples of all scenes from ``folder``, and makes the scenes that are not there yet.

    Each scene is a file, so that an interrupted run continues, and a larger number of scenes adds to the earlier ones.

    Args:
        folder: folder of the files.
        make: makes a scene by its number: "samples" (fields of `EditSample`), "latents" [n, 16, H, W] and "images".
        scenes: number of scenes.
        settings: what all scenes depend on; it is recorded in the folder.

    Raises:
        TrainingError: the folder has scenes of other settings.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _require_settings(folder / "settings.json", settings)
    paths = [folder / f"{number:05}.pt" for number in range(scenes)]
    missing = [number for number, path in enumerate(paths) if not path.exists()]
    for number in track(missing, "samples") if missing else ():
        with whole_file(paths[number]) as partial:
            torch.save(make(number), partial)
    return _join([torch.load(path, weights_only=True) for path in paths])


def _require_settings(path: Path, settings: Mapping[str, Any]) -> None:
    """Records the settings of the scenes, or refuses others than the recorded ones."""
    if not path.exists():
        with whole_file(path) as partial:
            partial.write_text(json.dumps(settings))
    recorded = json.loads(path.read_text(encoding="utf-8"))
    for name, value in settings.items():
        if recorded.get(name) != value:
            raise TrainingError(
                f"the scenes in {path.parent} have {name} {recorded.get(name)}, this run has {value}: give the same "
                "value, or another --run"
            )


def _join(scenes: list[dict[str, Any]]) -> EditSamples:
    samples, latents, images = list[EditSample](), list[Tensor](), list[Tensor]()
    for scene in scenes:
        for entry in scene["samples"]:
            sample = EditSample(**entry)
            image = sample.image if sample.image < 0 else sample.image + len(images)
            moved = {"scene": sample.scene + len(latents), "target": sample.target + len(latents), "image": image}
            samples.append(replace(sample, **moved))
        latents += list(scene["latents"])
        images += list(scene["images"])
    return EditSamples(samples, latents, torch.stack(images))


def vision_size(images: Tensor) -> Tensor:
    """Resizes images [B, 3, H, W] in 0..1 to the vision tower's size, bicubic and without cropping."""
    size = (SIGLIP["image_size"],) * 2
    return functional.interpolate(images, size, mode="bicubic", antialias=True).clamp(0, 1)
