"""The trials: which photos are stylised in which styles."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...dataset.triplets import Triplet
from ...errors import TrainingError
from ...progress import console

SHEET_STYLES, SHEET_PHOTOS = 5, 3
"""Styles and photos on the sheet of images."""


@dataclass(frozen=True)
class StyleTrials:
    """Every style on every photo.

    Attributes:
        styles: S names.
        photos: P content images, each of another photo.
        triplets: S x P, style by style; `reference` is a trial's style image, `stylised` the teacher's image.
        teacher: all test triplets of these styles, for the centroids of the teacher's images.
    """

    styles: list[str]
    photos: list[Path]
    triplets: list[Triplet]
    teacher: list[Triplet]


def choose_trials(triplets: Sequence[Triplet], seen: bool, photos: int) -> StyleTrials:
    """The first image of each of the first `photos` contents that exist in every style.

    Args:
        triplets: the test split.
        seen: True for the styles of the training split, False for the others.
        photos: number of photos. If there are fewer, all are used and this is printed.

    Raises:
        TrainingError: there is no such style, or no photo exists in all of them.
    """
    kind = "seen" if seen else "unseen"
    rows = [row for row in triplets if row.seen_style == seen]
    if not rows:
        raise TrainingError(f"the test split has no {kind} style: make a dataset that holds styles out")
    styles = list(dict.fromkeys(row.style for row in rows))
    by_style_and_photo = {(row.style, row.content): row for row in reversed(rows)}
    first: dict[str, Path] = {}
    for row in rows:
        if all((style, row.content) in by_style_and_photo for style in styles):
            first.setdefault(row.content_name, row.content)
    if not first:
        raise TrainingError(
            f"no photo of the test split exists in all {len(styles)} {kind} styles: make a larger dataset"
        )
    if len(first) < photos:
        console.print(f"Only {len(first)} photos exist in all {kind} styles, fewer than the {photos} of --photos")
    chosen = list(first.values())[:photos]
    trials = [by_style_and_photo[style, photo] for style in styles for photo in chosen]
    return StyleTrials(styles, chosen, trials, rows)


def sheet_references(trials: StyleTrials) -> dict[str, Path]:
    """One style image for each style on the sheet, with none of the sheet's contents.

    A style without such an image is left out, which is printed.
    """
    shown = set(trials.photos[:SHEET_PHOTOS])
    names = {row.content_name for row in trials.triplets if row.content in shown}
    references: dict[str, Path] = {}
    for row in trials.teacher:
        if row.content_name not in names:
            references.setdefault(row.style, row.stylised)
    styles = trials.styles[:SHEET_STYLES]
    if missing := [style for style in styles if style not in references]:
        console.print(f"Not on the sheet, because no style image has another content: {', '.join(missing)}")
    return {style: references[style] for style in styles if style in references}
