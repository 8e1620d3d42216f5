"""Every picture of every method, measured."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from ...dataset.triplets import Triplet
from ..pictures import open_picture
from ..rows import Row
from ..style_vector import Judge, Judged, centroids, cosine, nearest
from ..through_vae import Redraw
from .colour_transfer import transfer_colour
from .metrics import edge_ssim, l1, multi_scale_ssim
from .trials import Trials

PHOTO, COLOUR, TEACHER = "photo, unchanged", "Reinhard colour transfer", "teacher (ceiling)"
COLOUR_REDRAWN, TEACHER_REDRAWN = "colour transfer, by the VAE", "teacher, by the VAE"
"""What is painted is decoded by the VAE; these rows are too, so that they compare."""

Painted = Sequence[tuple[int, Path]]
"""Pictures, each with the number of its trial."""

PictureOf = Callable[[Triplet], np.ndarray]
"""A trial's picture [H, W, 3] uint8."""


@dataclass(frozen=True)
class Score:
    """One picture's figures.

    Attributes:
        judge: cosine of the judge's vectors of the picture and of the style picture.
        ms_ssim, l1: multi-scale SSIM and mean absolute difference to the teacher's picture.
        content: SSIM of the luminance's edges to the photo's.
        own_style: 1 if the judge puts it nearest to its own style, among those of the trials, else 0.
    """

    judge: float
    ms_ssim: float
    l1: float
    content: float
    own_style: float


COLUMNS = tuple(field.name for field in fields(Score))


class Scoring:
    """Measures pictures of trials against their photo, style picture and teacher's picture.

    Args:
        trials: what was painted.
        judge: gives style vectors.
        redraw: a picture as the painting model's VAE gives it back; None for no such rows.
    """

    def __init__(self, trials: Trials, judge: Judge, redraw: Redraw | None = None) -> None:
        self.trials, self._judge, self._redraw = trials, judge, redraw
        self._vectors: dict[Path, np.ndarray] = {}
        teacher = {row.stylised: row for row in trials.teacher}
        self._judged = [Judged(row.style, row.content_name, self._vector(path)) for path, row in teacher.items()]

    def rows(self, painted: Mapping[str, Painted]) -> list[Row]:
        """The photo and its recoloured copy, then each method's pictures, then the teacher's."""
        return [
            self._row_of_trials(PHOTO, lambda row: open_picture(row.content)),
            *self._plain_and_redrawn(COLOUR, COLOUR_REDRAWN, recoloured),
            *(self.row(name, ((n, open_picture(path)) for n, path in found)) for name, found in painted.items()),
            *reversed(self._plain_and_redrawn(TEACHER, TEACHER_REDRAWN, lambda row: open_picture(row.stylised))),
        ]

    def row(self, name: str, pictures: Iterable[tuple[int, np.ndarray]]) -> Row:
        """Pictures [H, W, 3] uint8 with the numbers of their trials -> one line."""
        measured = [(trial, self.score(picture, self.trials.triplets[trial])) for trial, picture in pictures]
        return Row(name, [trial for trial, _ in measured], [score for _, score in measured], len(self.trials.photos))

    def _plain_and_redrawn(self, plain: str, redrawn: str, picture_of: PictureOf) -> list[Row]:
        rows = [self._row_of_trials(plain, picture_of)]
        if redraw := self._redraw:
            rows.append(self._row_of_trials(redrawn, lambda row: redraw(picture_of(row))))
        return rows

    def _row_of_trials(self, name: str, picture_of: PictureOf) -> Row:
        return self.row(name, ((number, picture_of(row)) for number, row in enumerate(self.trials.triplets)))

    def score(self, picture: np.ndarray, triplet: Triplet) -> Score:
        """One picture against its trial."""
        vector, answer = self._judge(picture), open_picture(triplet.stylised)
        centres = centroids(self._judged, without=triplet.content_name)
        return Score(
            judge=cosine(vector, self._vector(triplet.reference)),
            ms_ssim=multi_scale_ssim(picture, answer),
            l1=l1(picture, answer),
            content=edge_ssim(open_picture(triplet.content), picture),
            own_style=float(nearest(vector, centres) == triplet.style) if centres else 0.0,
        )

    def _vector(self, path: Path) -> np.ndarray:
        if path not in self._vectors:
            self._vectors[path] = self._judge(open_picture(path))
        return self._vectors[path]


def recoloured(triplet: Triplet) -> np.ndarray:
    """The photo in the style picture's colours."""
    return transfer_colour(open_picture(triplet.content), open_picture(triplet.reference))
