"""`styleroute evaluate regions`, from trained files to figures and images."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...dataset.region_manifest import read_manifest
from ...moe import StyleExpert
from ...storage.contact_sheet import require_sheet_format
from ..finding import Finding, sentence
from ..painting import paint_all
from ..report import EVIDENCE_FILE, row_json, write_json
from ..rows import Row
from ..style_vector import Judge, judge_style
from .baselines import Images, baselines
from .comfy_paint import comfy_paint
from .config import RegionEvidenceConfig
from .figures import draw_methods, draw_sheet, sheet_jobs
from .methods import Compared, choose_methods
from .painting import OpenRegionPaint, jobs_of, save_region
from .scores import COLUMNS, RegionScoring
from .tables import CAPTION
from .trials import RegionTrials, choose_trials, region_of, styles_of
from .verdict import findings


@dataclass(frozen=True)
class RegionEvidence:
    """All that was found, and the files that show it."""

    compared: Compared
    trials: RegionTrials
    rows: list[Row]
    findings: list[Finding]
    files: list[Path]

    @property
    def steps(self) -> dict[str, list[int]]:
        """How long the experts of each method were trained."""
        return {method.name: method.steps(self.trials.styles) for method in self.compared.methods}

    def write(self, folder: Path) -> Path:
        """Write evidence.json."""
        return write_json(folder / EVIDENCE_FILE, self.as_json())

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        trials = [
            {"style": region_of(row).style, "object": region_of(row).object, "scene": row.original.stem}
            for row in self.trials.examples
        ]
        training = {
            method.name: {style: StyleExpert.open(file).training for style, file in method.files.items()}
            for method in self.compared.methods
        }
        return {
            "verdict": sentence(self.findings),
            "findings": [asdict(finding) for finding in self.findings],
            "definitions": CAPTION,
            "left_out": self.compared.left_out,
            "training": training,
            "trials": trials,
            "rows": [row_json(row, COLUMNS) for row in self.rows],
        }


def gather_regions(
    config: RegionEvidenceConfig,
    open_paint: OpenRegionPaint = comfy_paint,
    judge: Judge = judge_style,
    beside: Callable[[RegionTrials], dict[str, Images]] = baselines,
) -> RegionEvidence:
    """Paint what is not painted yet, and measure it.

    Args:
        config: what is gathered.
        open_paint: makes what paints ready.
        judge: gives style vectors.
        beside: the rows without an expert.

    Raises:
        DataError, TrainingError, StyleExpertError: something is missing or does not fit; before any image is painted.
        ComfyNotFound, ComfyError: there is no ComfyUI, or it failed; images that are painted stay.
    """
    require_sheet_format(config.sheet_file)
    examples = read_manifest(config.data, "test")
    compared = choose_methods(config, styles_of(examples))
    trials = choose_trials(examples, compared.styles, config.scenes)
    scoring = RegionScoring(trials, judge)
    jobs = {method.name: jobs_of(method, trials.examples, config.seeds, config.blocks) for method in compared.methods}
    shown = sheet_jobs(compared.methods, trials.teacher, trials, config.blocks)
    every = [job for found in jobs.values() for job in found] + shown
    painted = paint_all(every, config.output / "images", open_paint, save_region)
    rows = [scoring.row(name, images) for name, images in beside(trials).items()]
    rows += [
        scoring.painted_row(name, [(number // config.seeds, painted[job]) for number, job in enumerate(found)])
        for name, found in jobs.items()
    ]
    files = [
        draw_sheet(config.sheet_file, shown, painted),
        draw_methods(config.output / "methods.png", trials, jobs, painted, config.seeds),
    ]
    return RegionEvidence(compared, trials, rows, findings(rows), files)
