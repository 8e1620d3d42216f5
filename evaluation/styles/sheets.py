"""Sheets of images: one method on styles x photos, and all methods side by side."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from ...progress import console
from ...storage.contact_sheet import write_sheet
from ..images import open_image
from .baselines import COLOUR, TEACHER, recoloured
from .jobs import StyleJob
from .methods import StyleMethod
from .trials import SHEET_PHOTOS, StyleTrials, sheet_references

StyleAndPhoto = tuple[str, Path]


def sheet_jobs(trials: StyleTrials, method: StyleMethod | None) -> dict[StyleAndPhoto, StyleJob]:
    """The images of one method's sheet, with one style image per style; empty without a method."""
    if method is None:
        console.print("Left out: the sheet of images, because no routed experts exist")
        return {}
    prompts = {row.content: row.prompt for row in trials.triplets}
    photos, references = trials.photos[:SHEET_PHOTOS], sheet_references(trials)
    return {
        (style, photo): StyleJob(method, photo, reference, prompts[photo], seed=0)
        for style, reference in references.items()
        for photo in photos
    }


def write_style_sheet(
    path: Path, trials: StyleTrials, jobs: Mapping[StyleAndPhoto, StyleJob], files: Mapping[StyleJob, Path]
) -> Path | None:
    """Write the sheet of one method, style images on the left and photos on top; None without jobs."""
    if not jobs:
        return None
    names = {row.content: row.content_name for row in trials.triplets}
    photos = list(dict.fromkeys(photo for _, photo in jobs))
    rows = {"photo": [None, *map(open_image, photos)]}
    for style in dict.fromkeys(style for style, _ in jobs):
        results = [open_image(files[jobs[style, photo]]) for photo in photos]
        rows[style] = [open_image(jobs[style, photos[0]].style), *results]
    columns = ["style image", *(names[photo].replace("_", " ") for photo in photos)]
    return write_sheet(rows.values(), path, columns, rows)


def write_method_sheet(
    path: Path, trials: StyleTrials, jobs: Mapping[str, Sequence[StyleJob]], files: Mapping[StyleJob, Path], seeds: int
) -> Path:
    """Write the sheet of all methods: one row per style, each with another photo, from seed 0."""
    columns, rows = ["photo", "style image", COLOUR, *jobs, TEACHER], {}
    for line, style in enumerate(trials.styles):
        trial = line * len(trials.photos) + line % len(trials.photos)
        triplet = trials.triplets[trial]
        results = [open_image(files[of_method[trial * seeds]]) for of_method in jobs.values()]
        inputs = [open_image(triplet.content), open_image(triplet.reference), recoloured(triplet)]
        rows[style] = [*inputs, *results, open_image(triplet.stylised)]
    return write_sheet(rows.values(), path, columns, rows)
