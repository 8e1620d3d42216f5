"""`styleroute evaluate tiny`: PSNR of the small Kontext's edits of unseen photos to each instruction's exact target."""

import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..dataset.edits import EDITS, KEEP, apply_edit, instruction
from ..dataset.objects import load_objects
from ..dataset.photos import load_photos
from ..dataset.scenes import IMAGE_SIDE, Scene, make_scene
from ..paths import RUNS, TINY_MODELS
from ..progress import track
from ..storage.contact_sheet import write_sheet
from ..training.tiny.autoencoder import Autoencoder
from ..training.tiny.prompts import Tokenizers
from ..training.tiny.shipped import load_autoencoder, load_kontext
from ..training.tiny.train_autoencoder import autoencoder_psnr
from ..training.tiny.train_kontext import TinyKontext, edit
from .metrics import psnr

SHOWN = 2
"""Scenes of each instruction on the sheet of images."""


@dataclass(frozen=True)
class TinyEvaluationConfig:
    """Options of the evaluation.

    Attributes:
        per_edit: images per instruction; at least 2 are generated.
        steps: Euler steps of the sampler.
        seed: seed of the scenes and the noise.
        models: folder of the weights.
        output: folder for the sheet of images.
    """

    per_edit: int = 8
    steps: int = 20
    seed: int = 0
    models: Path = TINY_MODELS
    output: Path = RUNS / "evaluate_tiny"


@dataclass(frozen=True)
class InstructionPsnr:
    """Mean PSNR in dB of one instruction: of the whole image, and inside and outside the object's mask if measured."""

    name: str
    image: float
    inside: float | None = None
    outside: float | None = None


@dataclass(frozen=True)
class TinyEvaluation:
    """The PSNR of every instruction, the autoencoder's PSNR on all test photos, and the sheet of images."""

    autoencoder: float
    rows: list[InstructionPsnr]
    sheet: Path


@dataclass(frozen=True)
class EditTrial:
    """A scene, an instruction, its exact target [S, S, 3] in 0..1, and the object's mask [S, S]."""

    scene: Scene
    prompt: str
    target: np.ndarray
    mask: np.ndarray


@torch.no_grad()
def evaluate_tiny(config: TinyEvaluationConfig) -> TinyEvaluation:
    """Edit test scenes by every instruction. All instructions get the same scenes, so that their scores compare."""
    autoencoder, kontext = load_autoencoder(config.models), load_kontext(config.models)
    tokenizers = Tokenizers()
    scenes = _scenes(config)
    rows, strips = [_autoencoder_row(scenes, autoencoder)], []
    for title, edit_name, local in track(_instructions(), "edits"):
        trials = [_trial(scene, edit_name, local) for scene in scenes]
        results = _generate(trials, autoencoder, kontext, tokenizers, config)
        rows.append(_score(title, trials, results, by_region=local or edit_name is None))
        shown = zip(trials[:SHOWN], results, strict=False)
        strips.append([image for trial, result in shown for image in (trial.scene.image, result, trial.target)])
    return TinyEvaluation(autoencoder_psnr(autoencoder), rows, write_sheet(strips, config.output / "edits.png"))


def _instructions() -> list[tuple[str, str | None, bool]]:
    """Title, edit (None: keep the image), and whether the edit applies only to the object."""
    whole = [(name, name, False) for name in EDITS]
    local = [(f"object {name}", name, True) for name in EDITS]
    return [("keep", None, False), *whole, *local]


def _scenes(config: TinyEvaluationConfig) -> list[Scene]:
    rng = random.Random(config.seed)
    photos, objects = load_photos("test"), load_objects()
    count = max(config.per_edit, SHOWN)
    return [make_scene(photos[i % len(photos)], objects, 1 + i % 2, IMAGE_SIDE, rng, crop=False) for i in range(count)]


def _trial(scene: Scene, edit_name: str | None, local: bool) -> EditTrial:
    name, mask = next(iter(scene.masks.items()))
    if edit_name is None:
        return EditTrial(scene, KEEP, scene.image, mask)
    prompt = instruction(edit_name, name if local else None)
    return EditTrial(scene, prompt, apply_edit(edit_name, scene.image, mask if local else None), mask)


def _autoencoder_row(scenes: list[Scene], autoencoder: Autoencoder) -> InstructionPsnr:
    """The PSNR of the scenes through the autoencoder, which limits that of every edit."""
    trials = [_trial(scene, None, local=False) for scene in scenes]
    results = list(_pixels(autoencoder.decode(autoencoder.encode(_batch(trials)))))
    return _score("(autoencoder, these scenes)", trials, results, by_region=True)


def _batch(trials: list[EditTrial]) -> Tensor:
    """The trials' scenes, [B, 3, S, S] in 0..1."""
    return torch.from_numpy(np.stack([trial.scene.image for trial in trials])).permute(0, 3, 1, 2).float()


def _generate(
    trials: list[EditTrial],
    autoencoder: Autoencoder,
    kontext: TinyKontext,
    tokenizers: Tokenizers,
    config: TinyEvaluationConfig,
) -> list[np.ndarray]:
    """The edited scenes, [S, S, 3] in 0..1 each."""
    reference = autoencoder.encode(_batch(trials))
    prompts = [trial.prompt for trial in trials]
    latents = edit(kontext, reference, prompts, tokenizers, steps=config.steps, seed=config.seed)
    return list(_pixels(autoencoder.decode(latents)))


def _pixels(images: Tensor) -> np.ndarray:
    """[B, 3, H, W] -> [B, H, W, 3] in 0..1, rounded to 8 bits like a saved image."""
    return (images.clamp(0, 1) * 255).round().div(255).permute(0, 2, 3, 1).numpy()


def _score(title: str, trials: list[EditTrial], results: list[np.ndarray], by_region: bool) -> InstructionPsnr:
    pairs = list(zip(results, trials, strict=True))
    image = float(np.mean([psnr(result, trial.target) for result, trial in pairs]))
    if not by_region:
        return InstructionPsnr(title, image)
    inside = float(np.mean([psnr(result, trial.target, trial.mask) for result, trial in pairs]))
    outside = float(np.mean([psnr(result, trial.target, 1 - trial.mask) for result, trial in pairs]))
    return InstructionPsnr(title, image, inside, outside)
