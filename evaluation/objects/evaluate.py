"""`styleroute evaluate objects`: from scenes to images, scores and a sheet."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ...storage.contact_sheet import require_sheet_format, write_sheet
from ..generated_images import IMAGES_FOLDER, generate_missing, recorded_files
from ..images import open_image
from ..metrics.style_vector import StyleVectorNetwork, predict_style_vector
from ..vae_round_trip import small_vae_round_trip
from .comfy_generator import open_object_generator
from .config import ObjectEvaluationConfig
from .jobs import GeneratedObjects, ObjectJob, read_maps, save_objects
from .methods import ObjectMethod, choose_methods
from .scores import ObjectScore, TrialScorer
from .trials import ObjectTrial, make_trials

PHOTO, AUTOENCODER, TEACHER = "photo, unchanged", "autoencoder", "teacher, true masks"
SHEET_SCENES = 4
"""Scenes with two objects on the sheet, and scenes with one object."""

Generator = Callable[[ObjectJob], GeneratedObjects]
OpenGenerator = Callable[[ObjectEvaluationConfig], AbstractContextManager[Generator]]


@dataclass(frozen=True)
class ObjectRow:
    """One row of the table.

    Attributes:
        name: the method.
        scores: the scores of each scene, by the scene's number.
        passes: samplings for a scene with two objects; 0 for an image that no sampler made.
        files: the image file of each scene, as `scores.json` names it; empty if the images are not kept.
    """

    name: str
    scores: Mapping[int, ObjectScore]
    passes: int = 0
    files: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ObjectEvaluation:
    """All results."""

    trials: list[ObjectTrial]
    rows: list[ObjectRow]
    sheet: Path


def evaluate_objects(
    config: ObjectEvaluationConfig,
    open_generator: OpenGenerator = open_object_generator,
    network: StyleVectorNetwork = predict_style_vector,
) -> ObjectEvaluation:
    """Generate the missing images, and score all of them.

    Raises:
        StorageError, DataError: something is missing. No image exists yet.
        ComfyNotFound, ComfyError: no ComfyUI was found, or it failed; finished images stay.
    """
    require_sheet_format(config.sheet_file)
    trials, methods = make_trials(config), choose_methods(config)
    jobs = [ObjectJob(method, trial) for method in methods for trial in trials]
    files = generate_missing(jobs, config.output / IMAGES_FOLDER, lambda: open_generator(config), save_objects)
    scorers = {trial.number: TrialScorer(trial, network) for trial in trials}
    rows = [*_baselines(trials, scorers), *(_row(method, trials, scorers, files) for method in methods)]
    sheet = _write_sheet(config.sheet_file, methods, trials, scorers, files)
    return ObjectEvaluation(trials, rows, sheet)


def _baselines(trials: list[ObjectTrial], scorers: Mapping[int, TrialScorer]) -> list[ObjectRow]:
    round_trip = small_vae_round_trip()
    photos = {trial.number: open_image(trial.photo) for trial in trials}
    images: dict[str, dict[int, np.ndarray]] = {
        PHOTO: photos,
        AUTOENCODER: {number: round_trip(photo) for number, photo in photos.items()},
        TEACHER: {number: scorer.teacher() for number, scorer in scorers.items()},
    }
    return [
        ObjectRow(name, {number: scorers[number].score(image, {}) for number, image in found.items()})
        for name, found in images.items()
    ]


def _row(
    method: ObjectMethod,
    trials: list[ObjectTrial],
    scorers: Mapping[int, TrialScorer],
    files: Mapping[ObjectJob, Path],
) -> ObjectRow:
    scores = {}
    for trial in trials:
        file = files[ObjectJob(method, trial)]
        scores[trial.number] = scorers[trial.number].score(open_image(file), read_maps(file))
    recorded = recorded_files(ObjectJob(method, trial) for trial in trials)
    names = {trial.number: file for trial, file in zip(trials, recorded, strict=True)}
    return ObjectRow(method.name, scores, method.passes(2), names)


def _write_sheet(
    path: Path,
    methods: list[ObjectMethod],
    trials: list[ObjectTrial],
    scorers: Mapping[int, TrialScorer],
    files: Mapping[ObjectJob, Path],
) -> Path:
    """Write the sheet: one row per scene; photo, style images, teacher, and one image per method."""
    two = [trial for trial in trials if len(trial.objects) == 2][:SHEET_SCENES]
    one = [trial for trial in trials if len(trial.objects) == 1][:SHEET_SCENES]
    rows = []
    for trial in (*two, *one):
        styles = [open_image(styled.style_image) for styled in trial.objects]
        styles += [None] * (2 - len(styles))
        results = [open_image(files[ObjectJob(method, trial)]) for method in methods]
        rows.append([open_image(trial.photo), *styles, scorers[trial.number].teacher(), *results])
    columns = ["photo", "style 1", "style 2", "teacher", *(method.name for method in methods)]
    return write_sheet(rows, path, columns, [trial.prompt for trial in (*two, *one)])
