"""`styleroute evaluate tiny`: edits unseen photos at every size, and scores them against each instruction's target."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...dataset.large_test_photos import load_large_test_photos
from ...dataset.objects import load_objects
from ...dataset.photos import Photo
from ...dataset.scenes import Scene
from ...storage.contact_sheet import Tile, write_sheet
from ...storage.image_reader import read_image
from ...training.tiny.shipped import load_autoencoder
from ...training.tiny.train_autoencoder import autoencoder_psnr
from ..generated_images import generate_missing
from .config import TinyEvaluationConfig
from .jobs import EditJob, OpenEditGenerator, edits_folder, open_edit_generator, round_trip, scene_digest
from .scores import SizeEvaluation, score
from .trials import INSTRUCTIONS, EditTrial, Instruction, choose_scenes, make_trial

SHOWN = 2
"""Scenes of each instruction on a contact sheet."""


@dataclass(frozen=True)
class SizeTest:
    """The test of one size: its photos and scenes."""

    size: tuple[int, int]
    photos: list[Photo]
    scenes: list[Scene]

    def trials(self, wanted: Instruction) -> list[EditTrial]:
        """The trials of an instruction, one for each scene."""
        return [make_trial(scene, wanted) for scene in self.scenes]


def evaluate_tiny(
    config: TinyEvaluationConfig, open_generator: OpenEditGenerator = open_edit_generator
) -> list[SizeEvaluation]:
    """Generates the missing images, and scores all of them. The same call continues an interrupted one.

    Raises:
        DataError: a package is missing, or no test photo has a size.
        TrainingError: a weight file is missing.
        StorageError: the disk has no room for the images.
    """
    tests = [_size_test(config, size) for size in config.sizes]
    jobs = [job for test in tests for wanted in INSTRUCTIONS for job in _jobs(test, wanted, config.seed)]
    scenes = {scene_digest(scene): scene for test in tests for scene in test.scenes}
    pixels = max(height * width for height, width in config.sizes)
    images = generate_missing(
        list(dict.fromkeys(jobs)), edits_folder(config), lambda: open_generator(config, scenes), pixels=pixels
    )
    return [_evaluate_size(config, test, images) for test in tests]


def _size_test(config: TinyEvaluationConfig, size: tuple[int, int]) -> SizeTest:
    photos = load_large_test_photos(size)
    return SizeTest(size, photos, choose_scenes(photos, load_objects(), config.per_edit, size, config.seed))


def _jobs(test: SizeTest, wanted: Instruction, seed: int) -> list[EditJob]:
    """The jobs of an instruction. Every instruction gets the same noise for a scene."""
    return [
        EditJob(test.size, scene_digest(trial.scene), trial.prompt, seed + number)
        for number, trial in enumerate(test.trials(wanted))
    ]


def _evaluate_size(config: TinyEvaluationConfig, test: SizeTest, images: Mapping[EditJob, Path]) -> SizeEvaluation:
    autoencoder = load_autoencoder(config.models)
    keep = INSTRUCTIONS[0]
    restored = [round_trip(autoencoder, scene.image) for scene in test.scenes]
    ceiling = score("(VAE alone)", test.trials(keep), restored, by_region=True)
    edits, rows = [], {}
    for wanted in INSTRUCTIONS:
        trials = test.trials(wanted)
        results = [_read(images[job]) for job in _jobs(test, wanted, config.seed)]
        edits.append(score(wanted.name, trials, results, wanted.by_region))
        rows[wanted.name] = _sheet_row(trials, results)
    psnr = autoencoder_psnr(autoencoder, test.photos, test.size)
    sheet = config.output / f"edits_{test.size[0]}x{test.size[1]}.jpg"
    columns = ("photo", "result", "target") * min(SHOWN, len(test.scenes))
    write_sheet(rows.values(), sheet, columns, row_names=rows)
    return SizeEvaluation(test.size, len(test.photos), psnr, ceiling, edits, sheet)


def _sheet_row(trials: Sequence[EditTrial], results: Sequence[np.ndarray]) -> list[Tile]:
    shown = list(zip(trials, results, strict=True))[:SHOWN]
    return [image for trial, result in shown for image in (trial.scene.image, result, trial.target)]


def _read(path: Path) -> np.ndarray:
    """Reads an image as [H, W, 3] in 0..1."""
    return np.asarray(read_image(path), dtype=np.float32) / 255
