"""Which photos are painted in which styles."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...dataset.triplets import Triplet
from ...errors import TrainingError
from ...progress import console

SHEET_STYLES, SHEET_PHOTOS = 5, 3


@dataclass(frozen=True)
class Trials:
    """Every style on every photo.

    Attributes:
        styles: S names.
        photos: P content images, each of another photo.
        triplets: S x P, style by style; a trial's style image is its `reference`, the teacher's answer `stylised`.
        teacher: every test triplet of these styles, for what the teacher's images of a style have in common.
    """

    styles: list[str]
    photos: list[Path]
    triplets: list[Triplet]
    teacher: list[Triplet]


def choose_trials(triplets: Sequence[Triplet], seen: bool, photos: int) -> Trials:
    """The first image of each of the first `photos` contents that are there in every style.

    Args:
        triplets: of the test split.
        seen: the styles of the training, or those that it never saw.
        photos: how many; fewer if there are not so many, which is printed.

    Raises:
        TrainingError: no such style, or no photo in all of them.
    """
    kind = "seen" if seen else "unseen"
    rows = [row for row in triplets if row.seen_style == seen]
    if not rows:
        raise TrainingError(f"the test split holds no {kind} style: make a data set that holds styles out")
    styles = list(dict.fromkeys(row.style for row in rows))
    found = {(row.style, row.content): row for row in reversed(rows)}
    first: dict[str, Path] = {}
    for row in rows:
        if all((style, row.content) in found for style in styles):
            first.setdefault(row.content_name, row.content)
    if not first:
        raise TrainingError(f"no photo of the test split is there in all {len(styles)} {kind} styles: make more of it")
    if len(first) < photos:
        console.print(f"Only {len(first)} photos are there in all {kind} styles; {photos} were asked for")
    chosen = list(first.values())[:photos]
    return Trials(styles, chosen, [found[style, photo] for style in styles for photo in chosen], rows)


def sheet_references(trials: Trials) -> dict[str, Path]:
    """For each style of the sheet one style image for all of its photos, which shows none of them.

    A style without such an image is left out, and this is printed.
    """
    shown = set(trials.photos[:SHEET_PHOTOS])
    names = {row.content_name for row in trials.triplets if row.content in shown}
    references: dict[str, Path] = {}
    for row in trials.teacher:
        if row.content_name not in names:
            references.setdefault(row.style, row.stylised)
    styles = trials.styles[:SHEET_STYLES]
    if missing := [style for style in styles if style not in references]:
        console.print(f"Not on the sheet, for want of an image of another content: {', '.join(missing)}")
    return {style: references[style] for style in styles if style in references}
