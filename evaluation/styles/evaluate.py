"""`styleroute evaluate styles`: from expert files to images, scores, claims, plots and sheets."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ...dataset.triplets import Triplet, read_triplets
from ...storage.contact_sheet import require_sheet_format
from ..claims import ClaimResult
from ..generated_images import IMAGES_FOLDER, generate_missing, recorded_files
from ..images import open_image, readable
from ..method_scores import MethodScores
from ..metrics.style_vector import StyleVectorNetwork, predict_style_vector
from ..metrics.texture import TextureStatistics, texture_statistics
from ..vae_round_trip import VaeRoundTrip, small_vae_round_trip
from .baselines import ceilings, lower_baselines
from .claims import claim_results
from .comfy_generator import open_style_generator
from .config import StyleEvaluationConfig
from .expert_overlap import ExpertOverlap, measure_overlap
from .jobs import OpenStyleGenerator, StyleJob, style_jobs
from .methods import FULL, GUIDED, WIDE, StyleMethod, all_methods, available_methods
from .routed_styles import RoutedStyles, RoutingSummary, route_styles, summarise_routing
from .scores import StyleScorer
from .sheets import sheet_jobs, sheet_trials, write_method_sheet, write_style_sheet
from .teacher_textures import TeacherTextures, textures_folder
from .training_curves import plot_curves, read_curves
from .trials import StyleTrials, choose_trials
from .unseen_loss import unseen_losses

JobsByMethod = dict[str, list[StyleJob]]


@dataclass(frozen=True)
class StyleGroup:
    """The trials and scores of one kind of styles, "unseen" or "seen"."""

    kind: str
    trials: StyleTrials
    scores: list[MethodScores]


@dataclass(frozen=True)
class StyleEvaluation:
    """All results and the files that show them. The first group and the losses belong to the unseen styles."""

    methods: list[StyleMethod]
    left_out: list[str]
    groups: list[StyleGroup]
    losses: list[MethodScores]
    loss_trials: StyleTrials | None
    overlaps: list[ExpertOverlap]
    routing: RoutingSummary | None
    claims: list[ClaimResult]
    files: list[Path]

    @property
    def steps(self) -> dict[str, int | None]:
        """Training steps of each method; None if not recorded."""
        return {method.name: method.steps for method in self.methods}


def evaluate_styles(
    config: StyleEvaluationConfig,
    open_generator: OpenStyleGenerator = open_style_generator,
    network: StyleVectorNetwork = predict_style_vector,
    statistics: TextureStatistics = texture_statistics,
) -> StyleEvaluation:
    """Generate the missing images, and score all of them.

    Raises:
        StorageError, DataError, TrainingError, StyleExpertError: something is missing or does not fit. No image exists
            yet.
        ComfyNotFound, ComfyError: no ComfyUI was found, or it failed; finished images stay.
    """
    require_sheet_format(config.sheet_file)
    known = all_methods(config)
    methods = available_methods(known)
    triplets = readable(read_triplets(config.data, "test"))
    kinds = ("unseen", "seen") if config.seen else ("unseen",)
    trials = {kind: choose_trials(triplets, kind == "seen", config.photos, config.styles) for kind in kinds}
    round_trip, folder = small_vae_round_trip(), textures_folder(config.output)
    scorers = {
        kind: StyleScorer(of_kind, network, TeacherTextures(of_kind, statistics, round_trip, folder))
        for kind, of_kind in trials.items()
    }
    routed = _routed_styles(methods, triplets)
    overlaps = measure_overlap(routed) if routed else []
    routing = summarise_routing(routed) if routed else None
    on_sheet = sheet_trials(triplets, config.sheet_size)
    shown = sheet_jobs(on_sheet, _first_named(methods, GUIDED, WIDE, FULL))
    jobs = {kind: _jobs(methods, of_kind, config.seeds) for kind, of_kind in trials.items()}
    every = [job for by_method in jobs.values() for of_method in by_method.values() for job in of_method]
    side = trials["unseen"].side
    images = generate_missing([*every, *shown.values()], config.output / IMAGES_FOLDER, open_generator, pixels=side**2)
    loss_trials = _loss_trials(triplets, config)
    losses = _losses(methods, loss_trials, config)
    groups = [_group(kind, scorers[kind], jobs[kind], images, config.seeds, round_trip) for kind in kinds]
    files = [
        write_style_sheet(config.sheet_file, on_sheet, shown, images),
        write_method_sheet(config.output / "methods.png", trials["unseen"], jobs["unseen"], images, config.seeds),
        plot_curves(config.output / "curves.png", read_curves(_run_folders(config, known))),
    ]
    left_out = [method.name for method in known if method not in methods]
    training = {method.name: method.compared_settings for method in methods}
    claims = claim_results(groups[0].scores, losses, overlaps, training)
    return StyleEvaluation(
        methods, left_out, groups, losses, loss_trials, overlaps, routing, claims, [file for file in files if file]
    )


def _loss_trials(triplets: list[Triplet], config: StyleEvaluationConfig) -> StyleTrials | None:
    """The trials of the losses; None for 0 photos."""
    return choose_trials(triplets, False, config.loss_photos, config.styles) if config.loss_photos else None


def _losses(
    methods: list[StyleMethod], trials: StyleTrials | None, config: StyleEvaluationConfig
) -> list[MethodScores]:
    """The losses without guidance, which changes no loss."""
    if trials is None:
        return []
    return unseen_losses([method for method in methods if method.name != GUIDED], trials, config.output)


def _routed_styles(methods: list[StyleMethod], triplets: list[Triplet]) -> RoutedStyles | None:
    routed = _first_named(methods, FULL, WIDE)
    return route_styles(routed.file, triplets) if routed else None


def _first_named(methods: list[StyleMethod], *names: str) -> StyleMethod | None:
    """The method with the first of the names that exists."""
    by_name = {method.name: method for method in methods}
    return next((by_name[name] for name in names if name in by_name), None)


def _jobs(methods: list[StyleMethod], trials: StyleTrials, seeds: int) -> JobsByMethod:
    return {method.name: style_jobs(method, trials.triplets, seeds, trials.side) for method in methods}


def _group(
    kind: str,
    scorer: StyleScorer,
    jobs: JobsByMethod,
    images: Mapping[StyleJob, Path],
    seeds: int,
    round_trip: VaeRoundTrip,
) -> StyleGroup:
    generated = {
        name: ((number // seeds, open_image(images[job], scorer.trials.side)) for number, job in enumerate(of_method))
        for name, of_method in jobs.items()
    }
    rows = {**lower_baselines(scorer.trials, round_trip), **generated, **ceilings(scorer.trials, round_trip)}
    files = {name: recorded_files(of_method) for name, of_method in jobs.items()}
    scores = [scorer.score_method(name, found, files.get(name, ())) for name, found in rows.items()]
    return StyleGroup(kind, scorer.trials, scores)


def _run_folders(config: StyleEvaluationConfig, methods: list[StyleMethod]) -> dict[str, Path]:
    """Each method's run folder: the folder of its file, except for the file that ships."""
    trained = [method for method in methods if method.name != GUIDED]
    return {method.name: method.file.parent for method in trained} | {WIDE: config.wide_run}
