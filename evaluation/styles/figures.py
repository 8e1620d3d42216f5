"""The sheets of images: the full model on styles x photos, and all methods side by side."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from ...progress import console
from ...storage.contact_sheet import write_sheet
from ..images import open_image
from .methods import Method
from .painting import Job
from .scores import COLOUR, TEACHER, recoloured
from .trials import SHEET_PHOTOS, Trials, sheet_references

Cell = tuple[str, Path]
"""A style and a photo."""


def sheet_jobs(trials: Trials, method: Method | None) -> dict[Cell, Job]:
    """What the sheet shows, style by style; each style has one style image for all photos. Empty without a method."""
    if method is None:
        console.print("Left out: the sheet, which shows routed experts")
        return {}
    prompts = {row.content: row.prompt for row in trials.triplets}
    photos, references = trials.photos[:SHEET_PHOTOS], sheet_references(trials)
    return {
        (style, photo): Job(method, photo, reference, prompts[photo], seed=0)
        for style, reference in references.items()
        for photo in photos
    }


def draw_sheet(path: Path, trials: Trials, jobs: Mapping[Cell, Job], painted: Mapping[Job, Path]) -> Path | None:
    """Style images on the left, photos on top; None if there is nothing to show."""
    if not jobs:
        return None
    names = {row.content: row.content_name for row in trials.triplets}
    photos = list(dict.fromkeys(photo for _, photo in jobs))
    rows = {"photo": [None, *map(open_image, photos)]}
    for style in dict.fromkeys(style for style, _ in jobs):
        results = [open_image(painted[jobs[style, photo]]) for photo in photos]
        rows[style] = [open_image(jobs[style, photos[0]].style), *results]
    columns = ["style image", *(names[photo].replace("_", " ") for photo in photos)]
    return write_sheet(rows.values(), path, columns, rows)


def draw_methods(
    path: Path, trials: Trials, jobs: Mapping[str, Sequence[Job]], painted: Mapping[Job, Path], seeds: int
) -> Path:
    """A photo a style, another one each, as every method paints it from seed 0."""
    columns, rows = ["photo", "style image", COLOUR, *jobs, TEACHER], {}
    for line, style in enumerate(trials.styles):
        trial = line * len(trials.photos) + line % len(trials.photos)
        triplet = trials.triplets[trial]
        shown = [open_image(painted[found[trial * seeds]]) for found in jobs.values()]
        before = [open_image(triplet.content), open_image(triplet.reference), recoloured(triplet)]
        rows[style] = [*before, *shown, open_image(triplet.stylised)]
    return write_sheet(rows.values(), path, columns, rows)
