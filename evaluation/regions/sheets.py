"""Sheets of images: one method in all its styles with photo, map and result, and all methods side by side."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ...dataset.region_manifest import RegionExample
from ...storage.contact_sheet import write_sheet
from ...training.regions.variants import FULL
from ..images import open_image
from .jobs import RegionJob, overlay_file
from .methods import RegionMethod
from .trials import RegionTrials, open_mask, region_of, scene_object

SHEET_STYLES, SHEET_SCENES = 4, 2
"""Styles and scenes on the sheet of one method."""

ImageFiles = Mapping[RegionJob, Path]


def sheet_jobs(
    methods: Sequence[RegionMethod], examples: Sequence[RegionExample], trials: RegionTrials, blocks: str
) -> list[RegionJob]:
    """The images of one method's sheet: the full method if trained, else the first, on the largest objects."""
    trained = [method for method in methods if method.files and not method.lock]
    shown = next((method for method in trained if method.name == FULL), trained[0])
    areas = {scene_object(row): open_mask(region_of(row).mask).mean() for row in trials.examples}
    largest = sorted(trials.objects, key=areas.__getitem__, reverse=True)[:SHEET_SCENES]
    by_style = {(region_of(row).style, *scene_object(row)): row for row in reversed(examples)}
    rows = [by_style.get((style, *chosen)) for style in list(shown.files)[:SHEET_STYLES] for chosen in largest]
    return [RegionJob(shown, row, 0, blocks) for row in rows if row is not None]


def write_style_sheet(path: Path, jobs: Sequence[RegionJob], files: ImageFiles) -> Path:
    """Write the sheet of one method: one row per style; photo, map and result of each object."""
    objects = list(dict.fromkeys(scene_object(job.example) for job in jobs))
    rows: dict[str, list[np.ndarray | None]] = {}
    for style in dict.fromkeys(job.style for job in jobs):
        of_style = {scene_object(job.example): job for job in jobs if job.style == style}
        rows[style] = [image for each in objects for image in _photo_map_result(of_style.get(each), files)]
    columns = [name for _, object_name in objects for name in (object_name, "map", "result")]
    return write_sheet(rows.values(), path, columns, rows)


def write_method_sheet(
    path: Path, trials: RegionTrials, jobs: Mapping[str, Sequence[RegionJob]], files: ImageFiles, seeds: int
) -> Path:
    """Write the sheet of all methods: one row per method; map and result of one object per style, from seed 0."""
    numbers = [line * len(trials.objects) + line % len(trials.objects) for line in range(len(trials.styles))]
    examples = [trials.examples[number] for number in numbers]
    rows = {"photo, teacher": [open_image(file) for row in examples for file in (row.original, row.styled)]}
    for name, of_method in jobs.items():
        results = [files[of_method[number * seeds]] for number in numbers]
        rows[name] = [open_image(file) for result in results for file in (overlay_file(result), result)]
    columns = [text for row in examples for text in (region_of(row).object, region_of(row).style)]
    return write_sheet(rows.values(), path, columns, rows)


def _photo_map_result(job: RegionJob | None, files: ImageFiles) -> list[np.ndarray | None]:
    if job is None:
        return [None, None, None]
    return [open_image(file) for file in (job.example.original, overlay_file(files[job]), files[job])]
