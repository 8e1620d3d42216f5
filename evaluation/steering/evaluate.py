"""`styleroute evaluate steering`: from an expert file to images, scores, goals and a sheet."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ...dataset.triplets import read_triplets
from ...storage.contact_sheet import require_sheet_format
from ..claims import ClaimResult
from ..generated_images import IMAGES_FOLDER, generate_missing, recorded_files
from ..images import open_image, readable
from ..method_scores import MethodScores
from ..metrics.style_vector import StyleVectorNetwork, predict_style_vector
from ..metrics.texture import TextureStatistics, texture_statistics
from ..styles.baselines import ceilings
from ..styles.comfy_generator import open_style_generator
from ..styles.jobs import OpenStyleGenerator, StyleJob
from ..styles.methods import StyleMethod
from ..styles.scores import StyleScorer
from ..styles.sheets import write_method_sheet
from ..styles.teacher_textures import TeacherTextures, textures_folder
from ..styles.trials import StyleTrials, choose_trials
from ..vae_round_trip import small_vae_round_trip
from .config import SteeringConfig
from .goals import steering_goals
from .rows import open_experts, steering_jobs


@dataclass(frozen=True)
class SteeringEvaluation:
    """The scores of all rows, then those of the teacher's images; the goals; and the sheet of images."""

    experts: StyleMethod
    trials: StyleTrials
    scores: list[MethodScores]
    goals: list[ClaimResult]
    sheet: Path


def evaluate_steering(
    config: SteeringConfig,
    open_generator: OpenStyleGenerator = open_style_generator,
    network: StyleVectorNetwork = predict_style_vector,
    statistics: TextureStatistics = texture_statistics,
) -> SteeringEvaluation:
    """Generate the missing images, and score all of them.

    Raises:
        StorageError, DataError, TrainingError, StyleExpertError: something is missing or does not fit. No image exists
            yet.
        ComfyNotFound, ComfyError: no ComfyUI was found, or it failed; finished images stay.
    """
    require_sheet_format(config.sheet_file)
    experts = open_experts(config.experts, config.steps)
    trials = choose_trials(readable(read_triplets(config.data, "test")), False, config.photos, config.styles)
    jobs = steering_jobs(experts, config.output, trials, config.seeds)
    round_trip = small_vae_round_trip()
    textures = TeacherTextures(trials, statistics, round_trip, textures_folder(config.output))
    scorer = StyleScorer(trials, network, textures)
    every = list(dict.fromkeys(job for of_row in jobs.values() for job in of_row))
    images = generate_missing(every, config.output / IMAGES_FOLDER, open_generator, pixels=trials.side**2)
    rows = [_scored(name, of_row, images, scorer, config.seeds) for name, of_row in jobs.items()]
    teacher = ceilings(trials, round_trip)
    return SteeringEvaluation(
        experts=experts,
        trials=trials,
        scores=[*rows, *(scorer.score_method(name, found) for name, found in teacher.items())],
        goals=steering_goals(rows),
        sheet=write_method_sheet(config.sheet_file, trials, jobs, images, config.seeds),
    )


def _scored(
    name: str, jobs: list[StyleJob], images: Mapping[StyleJob, Path], scorer: StyleScorer, seeds: int
) -> MethodScores:
    side = scorer.trials.side
    found = ((number // seeds, open_image(images[job], side)) for number, job in enumerate(jobs))
    return scorer.score_method(name, found, recorded_files(jobs))
