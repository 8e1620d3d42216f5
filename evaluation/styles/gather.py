"""`styleroute evaluate styles`, from expert files to figures, plots and images."""

from dataclasses import dataclass
from pathlib import Path

from ...dataset.triplets import read_triplets
from ...storage.contact_sheet import require_sheet_format
from ..finding import Finding
from ..images import readable
from ..painting import paint_all
from ..rows import Row
from ..style_vector import Judge, judge_style
from ..through_vae import redraw_by_tiny_vae
from .comfy_paint import comfy_paint
from .config import EvidenceConfig
from .curves import draw_curves, read_curves
from .figures import draw_methods, draw_sheet, sheet_jobs
from .methods import FULL, WIDE, Method, all_methods, present
from .overlap import Overlap, measure_overlap
from .painting import Job, OpenPaint, jobs_of
from .scores import Scoring
from .trials import Trials, choose_trials
from .unseen_loss import unseen_losses
from .verdict import findings


@dataclass(frozen=True)
class Group:
    """The trials of unseen or of seen styles, what is painted of them by method, and the table's rows."""

    kind: str
    trials: Trials
    jobs: dict[str, list[Job]]
    rows: list[Row]


@dataclass(frozen=True)
class Evidence:
    """All that was found, and the files that show it; the first group and the losses are of the unseen styles."""

    methods: list[Method]
    left_out: list[str]
    groups: list[Group]
    losses: list[Row]
    overlaps: list[Overlap]
    findings: list[Finding]
    files: list[Path]

    @property
    def steps(self) -> dict[str, int | None]:
        """How long each method was trained, where its file tells."""
        return {method.name: method.steps for method in self.methods}


def gather_evidence(
    config: EvidenceConfig, open_paint: OpenPaint = comfy_paint, judge: Judge = judge_style
) -> Evidence:
    """Paint what is not painted yet, and measure it.

    Raises:
        DataError, TrainingError, StyleExpertError: something is missing or does not fit; before any image is painted.
        ComfyNotFound, ComfyError: there is no ComfyUI, or it failed; images that are painted stay.
    """
    require_sheet_format(config.sheet_file)
    known = all_methods(config)
    methods = present(known)
    named = {method.name: method for method in methods}
    routed, shown_first = named.get(FULL, named.get(WIDE)), named.get(WIDE, named.get(FULL))
    triplets = readable(read_triplets(config.data, "test"))
    trials = {kind: choose_trials(triplets, kind == "seen", config.photos) for kind in _kinds(config)}
    scorings = {kind: Scoring(found, judge, redraw_by_tiny_vae()) for kind, found in trials.items()}
    overlaps = measure_overlap(routed.file, triplets) if routed else []
    shown = sheet_jobs(scorings["unseen"].trials, shown_first)
    jobs = {
        kind: {method.name: jobs_of(method, scoring.trials.triplets, config.seeds) for method in methods}
        for kind, scoring in scorings.items()
    }
    every = [job for group in jobs.values() for found in group.values() for job in found]
    painted = paint_all([*every, *shown.values()], config.output / "images", open_paint)
    losses = unseen_losses(methods, trials["unseen"])
    groups = [_group(kind, scoring, jobs[kind], painted) for kind, scoring in scorings.items()]
    files = [
        draw_sheet(config.sheet_file, groups[0].trials, shown, painted),
        draw_methods(config.output / "methods.png", groups[0].trials, jobs["unseen"], painted, config.seeds),
        draw_curves(config.output / "curves.png", read_curves(_runs(config, known))),
    ]
    left_out = [method.name for method in known if method not in methods]
    found = findings(groups[0].rows, losses, overlaps, {method.name: method.compared for method in methods})
    return Evidence(methods, left_out, groups, losses, overlaps, found, [file for file in files if file])


def _kinds(config: EvidenceConfig) -> list[str]:
    return ["unseen", "seen"] if config.seen else ["unseen"]


def _group(kind: str, scoring: Scoring, jobs: dict[str, list[Job]], painted: dict[Job, Path]) -> Group:
    images = {}
    for name, found in jobs.items():
        seeds = len(found) // len(scoring.trials.triplets)
        images[name] = [(number // seeds, painted[job]) for number, job in enumerate(found)]
    return Group(kind, scoring.trials, jobs, scoring.rows(images))


def _runs(config: EvidenceConfig, methods: list[Method]) -> dict[str, Path]:
    """Each method's run folder: where its file lies, but for the one that ships."""
    return {method.name: method.file.parent for method in methods} | {WIDE: config.wide_run}
