"""The trials: which photos are stylised in which styles."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...dataset.triplets import Triplet
from ...errors import TrainingError
from ...progress import console
from ..images import square_side


@dataclass(frozen=True)
class StyleTrials:
    """Every style on every photo.

    Attributes:
        styles: S names.
        photos: P content images, each of another photo.
        triplets: S x P, style by style; `reference` is a trial's style image, `stylised` the teacher's image.
        teacher: the test triplets of all styles, also of those that are not in `styles`. An image's own style competes
            with all of them.
        side: height and width of the images in pixels.
    """

    styles: list[str]
    photos: list[Path]
    triplets: list[Triplet]
    teacher: list[Triplet]
    side: int


def choose_trials(triplets: Sequence[Triplet], seen: bool, photos: int, styles: int | None = None) -> StyleTrials:
    """The first image of each of the first `photos` contents that exist in every style.

    Args:
        triplets: the test split.
        seen: True for the styles of the training split, False for the others.
        photos: number of photos. If there are fewer, all are used and this is printed.
        styles: number of styles, taken at even distances from the list of styles; None: all.

    Raises:
        TrainingError: there is no such style, or no photo exists in all of them.
    """
    kind = "seen" if seen else "unseen"
    rows = [row for row in triplets if row.seen_style == seen]
    if not rows:
        raise TrainingError(f"the test split has no {kind} style: make a dataset that holds styles out")
    every = list(dict.fromkeys(row.style for row in rows))
    by_style_and_photo = {(row.style, row.content): row for row in reversed(rows)}
    first: dict[str, Path] = {}
    for row in rows:
        if all((style, row.content) in by_style_and_photo for style in every):
            first.setdefault(row.content_name, row.content)
    if not first:
        raise TrainingError(
            f"no photo of the test split exists in all {len(every)} {kind} styles: make a larger dataset"
        )
    if len(first) < photos:
        console.print(f"Only {len(first)} photos exist in all {kind} styles, fewer than the {photos} of --photos")
    chosen = list(first.values())[:photos]
    names = spread(every, styles)
    trials = [by_style_and_photo[style, photo] for style in names for photo in chosen]
    return StyleTrials(names, chosen, trials, rows, square_side(chosen[0]))


def spread(names: Sequence[str], count: int | None) -> list[str]:
    """`count` names at even distances from first to last; all names for None or a larger count."""
    if count is None or count >= len(names):
        return list(names)
    return [names[index] for index in np.linspace(0, len(names) - 1, count).round().astype(int)]


def sheet_references(trials: StyleTrials) -> dict[str, Path]:
    """One style image for each style, with none of the trials' contents.

    It is the style's own image, if the dataset has one; otherwise another content in this style. A style without such
    an image is left out, which is printed.
    """
    names = {row.content_name for row in trials.triplets}
    stylised = {row.stylised for row in trials.teacher}
    references = {row.style: row.reference for row in trials.teacher if row.reference not in stylised}
    for row in trials.teacher:
        if row.content_name not in names:
            references.setdefault(row.style, row.stylised)
    if missing := [style for style in trials.styles if style not in references]:
        console.print(f"Not on the sheet, because no style image has another content: {', '.join(missing)}")
    return {style: references[style] for style in trials.styles if style in references}
