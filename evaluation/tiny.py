"""How well the shipped tiny Kontext edits photos that it never saw: PSNR to each instruction's exact target."""

import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..dataset.edits import EDITS, KEEP, apply_edit, instruction
from ..dataset.objects import load_objects
from ..dataset.photos import load_photos
from ..dataset.scenes import Scene, make_scene
from ..paths import RUNS, TINY_MODELS
from ..progress import track
from ..storage.contact_sheet import write_sheet
from ..training.tiny.autoencoder import Autoencoder
from ..training.tiny.config import IMAGE_SIDE
from ..training.tiny.prompts import Tokenizers
from ..training.tiny.shipped import load_autoencoder, load_kontext
from ..training.tiny.train_autoencoder import autoencoder_psnr
from ..training.tiny.train_kontext import TinyKontext, edit


@dataclass(frozen=True)
class EvaluateConfig:
    """What is measured: ``per_edit`` images an instruction, ``steps`` Euler steps, the weights in ``models``."""

    per_edit: int = 8
    steps: int = 20
    seed: int = 0
    models: Path = TINY_MODELS
    output: Path = RUNS / "evaluate"


@dataclass(frozen=True)
class Row:
    """Mean PSNR in dB of one instruction: the whole image; for an object's, inside and outside its mask."""

    name: str
    image: float
    inside: float | None = None
    outside: float | None = None


@dataclass(frozen=True)
class Report:
    """All rows, the autoencoder's own PSNR on all test photos, and the sheet of images."""

    autoencoder: float
    rows: list[Row]
    sheet: Path


@dataclass(frozen=True)
class Trial:
    """One scene, what is asked, the exact answer [S, S, 3] in 0..1, and the object's mask [S, S]."""

    scene: Scene
    prompt: str
    target: np.ndarray
    mask: np.ndarray


@torch.no_grad()
def evaluate(config: EvaluateConfig) -> Report:
    """Edit test scenes by every instruction; the same scenes for each, so that rows compare."""
    autoencoder, kontext = load_autoencoder(config.models), load_kontext(config.models)
    tokenizers = Tokenizers()
    scenes = _scenes(config)
    rows, strips = [_ceiling(scenes, autoencoder)], []
    names = (
        [("keep", None, False)] + [(name, name, False) for name in EDITS] + [(f"object {n}", n, True) for n in EDITS]
    )
    for title, edit_name, local in track(names, "edits"):
        trials = [_trial(scene, edit_name, local) for scene in scenes]
        results = _run(trials, autoencoder, kontext, tokenizers, config)
        rows.append(_row(title, trials, results, local or edit_name is None))
        strips.append(
            [
                trials[0].scene.image,
                results[0],
                trials[0].target,
                trials[1].scene.image,
                results[1],
                trials[1].target,
            ]
        )
    return Report(autoencoder_psnr(autoencoder), rows, write_sheet(strips, config.output / "edits.png"))


def psnr(result: np.ndarray, target: np.ndarray, weight: np.ndarray | None = None) -> float:
    """PSNR in dB of images [H, W, 3] in 0..1, the error averaged by ``weight`` [H, W]."""
    error = ((result - target) ** 2).mean(-1)
    mean = error.mean() if weight is None else (error * weight).sum() / weight.sum()
    return float(-10 * np.log10(mean + 1e-10))


def _scenes(config: EvaluateConfig) -> list[Scene]:
    rng = random.Random(config.seed)
    photos, objects = load_photos("test"), load_objects()
    count = max(config.per_edit, 2)
    return [make_scene(photos[i % len(photos)], objects, 1 + i % 2, IMAGE_SIDE, rng, crop=False) for i in range(count)]


def _trial(scene: Scene, edit_name: str | None, local: bool) -> Trial:
    name, mask = next(iter(scene.masks.items()))
    if edit_name is None:
        return Trial(scene, KEEP, scene.image, mask)
    prompt = instruction(edit_name, name if local else None)
    return Trial(scene, prompt, apply_edit(edit_name, scene.image, mask if local else None), mask)


def _ceiling(scenes: list[Scene], autoencoder: Autoencoder) -> Row:
    """The scenes through the autoencoder alone: no edit can be better."""
    trials = [_trial(scene, None, local=False) for scene in scenes]
    results = list(_pixels(autoencoder.decode(autoencoder.encode(_batch(trials)))))
    return _row("(autoencoder, these scenes)", trials, results, by_region=True)


def _batch(trials: list[Trial]) -> Tensor:
    return torch.from_numpy(np.stack([trial.scene.image for trial in trials])).permute(0, 3, 1, 2).float()


def _run(trials: list[Trial], autoencoder: Autoencoder, kontext: TinyKontext, tokenizers: Tokenizers,
         config: EvaluateConfig) -> list[np.ndarray]:  # fmt: skip
    reference = autoencoder.encode(_batch(trials))
    prompts = [trial.prompt for trial in trials]
    latents = edit(kontext, reference, prompts, tokenizers, steps=config.steps, seed=config.seed)
    return list(_pixels(autoencoder.decode(latents)))


def _pixels(images: Tensor) -> np.ndarray:
    """[B, 3, H, W] -> [B, H, W, 3] in 0..1, rounded to 8 bit as a saved image is."""
    return (images.clamp(0, 1) * 255).round().div(255).permute(0, 2, 3, 1).numpy()


def _row(title: str, trials: list[Trial], results: list[np.ndarray], by_region: bool) -> Row:
    pairs = list(zip(results, trials, strict=True))
    whole = float(np.mean([psnr(result, trial.target) for result, trial in pairs]))
    if not by_region:
        return Row(title, whole)
    inside = float(np.mean([psnr(result, trial.target, trial.mask) for result, trial in pairs]))
    outside = float(np.mean([psnr(result, trial.target, 1 - trial.mask) for result, trial in pairs]))
    return Row(title, whole, inside, outside)
