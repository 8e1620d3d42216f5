"""`styleroute evaluate regions`: from expert files to images, scores, claims and sheets."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ...dataset.region_manifest import read_manifest
from ...storage.contact_sheet import require_sheet_format
from ..claims import ClaimResult
from ..generated_images import IMAGES_FOLDER, generate_missing, recorded_files
from ..method_scores import MethodScores
from ..metrics.style_vector import StyleVectorNetwork, predict_style_vector
from .baselines import NumberedImages, baselines
from .claims import claim_results
from .comfy_generator import open_region_generator
from .config import RegionEvaluationConfig
from .jobs import OpenRegionGenerator, region_jobs, save_region
from .methods import RegionMethod, choose_methods
from .scores import RegionScorer
from .sheets import sheet_jobs, write_method_sheet, write_style_sheet
from .trials import RegionTrials, choose_trials, styles_of


@dataclass(frozen=True)
class RegionEvaluation:
    """All results and the files that show them."""

    methods: list[RegionMethod]
    left_out: list[str]
    trials: RegionTrials
    scores: list[MethodScores]
    claims: list[ClaimResult]
    files: list[Path]

    @property
    def steps(self) -> dict[str, list[int]]:
        """Training steps of each method's experts."""
        return {method.name: method.steps(self.trials.styles) for method in self.methods}


def evaluate_regions(
    config: RegionEvaluationConfig,
    open_generator: OpenRegionGenerator = open_region_generator,
    network: StyleVectorNetwork = predict_style_vector,
    baseline_images: Callable[[RegionTrials], dict[str, NumberedImages]] = baselines,
) -> RegionEvaluation:
    """Generate the missing images, and score all of them.

    Raises:
        StorageError, DataError, TrainingError, StyleExpertError: something is missing or does not fit. No image exists
            yet.
        ComfyNotFound, ComfyError: no ComfyUI was found, or it failed; finished images stay.
    """
    require_sheet_format(config.sheet_file)
    examples = read_manifest(config.data, "test")
    comparison = choose_methods(config, styles_of(examples))
    methods = comparison.methods
    trials = choose_trials(examples, comparison.styles, config.scenes)
    scorer = RegionScorer(trials, network)
    jobs = {method.name: region_jobs(method, trials.examples, config.seeds, config.blocks) for method in methods}
    shown = sheet_jobs(methods, trials.teacher, trials, config.blocks)
    every = [job for of_method in jobs.values() for job in of_method] + shown
    images = generate_missing(every, config.output / IMAGES_FOLDER, open_generator, save_region)
    scores = [scorer.score_baseline(name, found) for name, found in baseline_images(trials).items()]
    scores += [
        scorer.score_method(
            name,
            [(number // config.seeds, images[job]) for number, job in enumerate(of_method)],
            recorded_files(of_method),
        )
        for name, of_method in jobs.items()
    ]
    files = [
        write_style_sheet(config.sheet_file, shown, images),
        write_method_sheet(config.output / "methods.png", trials, jobs, images, config.seeds),
    ]
    return RegionEvaluation(methods, comparison.left_out, trials, scores, claim_results(scores), files)
