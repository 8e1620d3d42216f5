"""Sheets of images: one method on styles x photos, and all methods side by side."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from ...dataset.triplets import Triplet
from ...progress import console
from ...storage.contact_sheet import write_sheet
from ..images import open_image
from .baselines import COLOUR, TEACHER, recoloured
from .jobs import StyleJob
from .methods import StyleMethod
from .trials import StyleTrials, choose_trials, sheet_references

StyleAndPhoto = tuple[str, Path]


def sheet_trials(triplets: Sequence[Triplet], size: tuple[int, int]) -> StyleTrials:
    """The unseen styles and the photos of the sheet; one photo is left over for the style images.

    Args:
        triplets: the test split.
        size: numbers of styles and photos.
    """
    contents = {row.content_name for row in triplets if not row.seen_style}
    return choose_trials(triplets, False, max(1, min(size[1], len(contents) - 1)), size[0])


def sheet_jobs(trials: StyleTrials, method: StyleMethod | None) -> dict[StyleAndPhoto, StyleJob]:
    """The images of one method's sheet, with one style image per style; empty without a method."""
    if method is None:
        console.print("Left out: the sheet of images, because no routed experts exist")
        return {}
    prompts = {row.content: row.prompt for row in trials.triplets}
    return {
        (style, photo): StyleJob(method, photo, reference, prompts[photo], seed=0, side=trials.side)
        for style, reference in sheet_references(trials).items()
        for photo in trials.photos
    }


def write_style_sheet(
    path: Path, trials: StyleTrials, jobs: Mapping[StyleAndPhoto, StyleJob], files: Mapping[StyleJob, Path]
) -> Path | None:
    """Write the sheet of one method, style images on the left and photos on top; None without jobs."""
    if not jobs:
        return None
    names = {row.content: row.content_name for row in trials.triplets}
    photos = list(dict.fromkeys(photo for _, photo in jobs))
    rows = {"photo": [None, *(open_image(photo, trials.side) for photo in photos)]}
    for style in dict.fromkeys(style for style, _ in jobs):
        shown = [jobs[style, photos[0]].style, *(files[jobs[style, photo]] for photo in photos)]
        rows[style] = [open_image(path, trials.side) for path in shown]
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
        results = [files[of_method[trial * seeds]] for of_method in jobs.values()]
        paths = (triplet.content, triplet.reference, *results, triplet.stylised)
        photo, style_image, *generated = (open_image(path, trials.side) for path in paths)
        rows[style] = [photo, style_image, recoloured(triplet, trials.side), *generated]
    return write_sheet(rows.values(), path, columns, rows)
