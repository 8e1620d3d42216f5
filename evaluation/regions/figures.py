"""The sheets of images: photo, map and result in every style, and all methods side by side."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ...dataset.region_manifest import RegionExample
from ...storage.contact_sheet import write_sheet
from ...training.regions.variants import FULL
from ..images import open_image
from .methods import RegionMethod
from .painting import RegionJob, heat_file
from .trials import RegionTrials, open_mask, region_of

SHEET_STYLES, SHEET_SCENES = 4, 2

Painted = Mapping[RegionJob, Path]


def sheet_jobs(methods: Sequence[RegionMethod], examples: Sequence[RegionExample], trials: RegionTrials, blocks: str
               ) -> list[RegionJob]:  # fmt: skip
    """What the sheet shows: a trained method, the full one where it is, in all its styles on the largest objects."""
    trained = [method for method in methods if method.files and not method.lock]
    shown = next((method for method in trained if method.name == FULL), trained[0])
    areas = {(row.original, region_of(row).object): open_mask(region_of(row).mask).mean() for row in trials.examples}
    things = sorted(trials.things, key=areas.__getitem__, reverse=True)[:SHEET_SCENES]
    found = {(region_of(row).style, row.original, region_of(row).object): row for row in reversed(examples)}
    rows = [found.get((style, *thing)) for style in list(shown.files)[:SHEET_STYLES] for thing in things]
    return [RegionJob(shown, row, 0, blocks) for row in rows if row is not None]


def draw_sheet(path: Path, jobs: Sequence[RegionJob], painted: Painted) -> Path:
    """A line a style."""
    things = list(dict.fromkeys((job.example.original, region_of(job.example).object) for job in jobs))
    rows: dict[str, list[np.ndarray | None]] = {}
    for style in dict.fromkeys(job.style for job in jobs):
        of_style = {(job.example.original, region_of(job.example).object): job for job in jobs if job.style == style}
        shown = [_photo_map_result(of_style.get(thing), painted) for thing in things]
        rows[style] = [image for three in shown for image in three]
    columns = [name for _, thing in things for name in (thing, "map", "result")]
    return write_sheet(rows.values(), path, columns, rows)


def draw_methods(path: Path, trials: RegionTrials, jobs: Mapping[str, Sequence[RegionJob]], painted: Painted,
                 seeds: int) -> Path:  # fmt: skip
    """A line a method, from seed 0: map and result of an object a style, another one each."""
    numbers = [line * len(trials.things) + line % len(trials.things) for line in range(len(trials.styles))]
    examples = [trials.examples[number] for number in numbers]
    rows = {"photo, teacher": [open_image(file) for row in examples for file in (row.original, row.styled)]}
    for name, found in jobs.items():
        files = [painted[found[number * seeds]] for number in numbers]
        rows[name] = [open_image(file) for path in files for file in (heat_file(path), path)]
    columns = [text for row in examples for text in (region_of(row).object, region_of(row).style)]
    return write_sheet(rows.values(), path, columns, rows)


def _photo_map_result(job: RegionJob | None, painted: Painted) -> list[np.ndarray | None]:
    if job is None:
        return [None, None, None]
    return [open_image(file) for file in (job.example.original, heat_file(painted[job]), painted[job])]
