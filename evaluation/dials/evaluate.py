"""`styleroute evaluate dials`: from settings to images, scores, a plot and a sheet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...storage.contact_sheet import require_sheet_format, write_sheet
from ..generated_images import IMAGES_FOLDER, generate_missing, recorded_files
from ..images import open_image
from ..method_scores import MethodScores
from ..metrics.style_vector import StyleVectorNetwork, predict_style_vector
from .comfy_generator import OpenDialGenerator, open_dial_generator
from .config import DialEvaluationConfig
from .jobs import DialJob
from .scores import score
from .settings import DialSetting, dial_settings
from .trials import DialTrial, choose_trials


@dataclass(frozen=True)
class SettingScores:
    """A setting and the scores of its images."""

    setting: DialSetting
    scores: MethodScores


@dataclass(frozen=True)
class DialEvaluation:
    """The scores of all settings, the trials, and the sheet of images."""

    results: list[SettingScores]
    trials: list[DialTrial]
    sheet: Path


def evaluate_dials(
    config: DialEvaluationConfig,
    open_generator: OpenDialGenerator = open_dial_generator,
    network: StyleVectorNetwork = predict_style_vector,
) -> DialEvaluation:
    """Generate the missing images, and score all of them.

    Raises:
        StorageError, DataError, TrainingError: something is missing or does not fit. No image exists yet.
        ComfyNotFound, ComfyError: no ComfyUI was found, or it failed; finished images stay.
    """
    sheet = config.sheet or config.output / "sheet.jpg"
    require_sheet_format(sheet)
    trials = choose_trials(config.output / "inputs", config.photos, config.styles)
    settings = dial_settings(config.steps)
    jobs = [DialJob(setting, trial, config.seed) for trial in trials for setting in settings]
    images = generate_missing(jobs, config.output / IMAGES_FOLDER, open_generator)
    results = [_scored(setting, trials, images, config, network) for setting in settings]
    return DialEvaluation(results, trials, _write_sheet(sheet, trials, settings, images, config.seed))


def _scored(
    setting: DialSetting,
    trials: Sequence[DialTrial],
    images: Mapping[DialJob, Path],
    config: DialEvaluationConfig,
    network: StyleVectorNetwork,
) -> SettingScores:
    jobs = [DialJob(setting, trial, config.seed) for trial in trials]
    found = (open_image(images[job]) for job in jobs)
    scored = ((number, score(image, trials[number], network)) for number, image in enumerate(found))
    scores = MethodScores.from_pairs(setting.name, scored, config.photos, recorded_files(jobs))
    return SettingScores(setting, scores)


def _write_sheet(
    path: Path,
    trials: Sequence[DialTrial],
    settings: Sequence[DialSetting],
    images: Mapping[DialJob, Path],
    seed: int,
) -> Path:
    """One row per setting, one column per trial; the first two rows show the photos and the style images."""
    rows = {
        "photo": [open_image(trial.photo) for trial in trials],
        "style image": [open_image(trial.style) for trial in trials],
    }
    for setting in settings:
        rows[setting.name] = [open_image(images[DialJob(setting, trial, seed)]) for trial in trials]
    return write_sheet(rows.values(), path, row_names=rows)
