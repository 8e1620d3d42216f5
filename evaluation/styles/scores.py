"""Every image of every method, measured."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from ...dataset.triplets import Triplet
from ..images import open_image
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
"""Images, each with the number of its trial."""

ImageOf = Callable[[Triplet], np.ndarray]
"""A trial's image [H, W, 3] uint8."""


@dataclass(frozen=True)
class Score:
    """One image's figures.

    Attributes:
        judge: cosine of the judge's vectors of the image and of the style image.
        ms_ssim, l1: multi-scale SSIM and mean absolute difference to the teacher's image.
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
    """Measures images of trials against their photo, style image and teacher's image.

    Args:
        trials: what was painted.
        judge: gives style vectors.
        redraw: an image as the painting model's VAE gives it back; None for no such rows.
    """

    def __init__(self, trials: Trials, judge: Judge, redraw: Redraw | None = None) -> None:
        self.trials, self._judge, self._redraw = trials, judge, redraw
        self._vectors: dict[Path, np.ndarray] = {}
        teacher = {row.stylised: row for row in trials.teacher}
        self._judged = [Judged(row.style, row.content_name, self._vector(path)) for path, row in teacher.items()]

    def rows(self, painted: Mapping[str, Painted]) -> list[Row]:
        """The photo and its recoloured copy, then each method's images, then the teacher's."""
        return [
            self._row_of_trials(PHOTO, lambda row: open_image(row.content)),
            *self._plain_and_redrawn(COLOUR, COLOUR_REDRAWN, recoloured),
            *(self.row(name, ((n, open_image(path)) for n, path in found)) for name, found in painted.items()),
            *reversed(self._plain_and_redrawn(TEACHER, TEACHER_REDRAWN, lambda row: open_image(row.stylised))),
        ]

    def row(self, name: str, images: Iterable[tuple[int, np.ndarray]]) -> Row:
        """Images [H, W, 3] uint8 with the numbers of their trials -> one line."""
        measured = [(trial, self.score(image, self.trials.triplets[trial])) for trial, image in images]
        return Row(name, [trial for trial, _ in measured], [score for _, score in measured], len(self.trials.photos))

    def _plain_and_redrawn(self, plain: str, redrawn: str, image_of: ImageOf) -> list[Row]:
        rows = [self._row_of_trials(plain, image_of)]
        if redraw := self._redraw:
            rows.append(self._row_of_trials(redrawn, lambda row: redraw(image_of(row))))
        return rows

    def _row_of_trials(self, name: str, image_of: ImageOf) -> Row:
        return self.row(name, ((number, image_of(row)) for number, row in enumerate(self.trials.triplets)))

    def score(self, image: np.ndarray, triplet: Triplet) -> Score:
        """One image against its trial."""
        vector, answer = self._judge(image), open_image(triplet.stylised)
        centres = centroids(self._judged, without=triplet.content_name)
        return Score(
            judge=cosine(vector, self._vector(triplet.reference)),
            ms_ssim=multi_scale_ssim(image, answer),
            l1=l1(image, answer),
            content=edge_ssim(open_image(triplet.content), image),
            own_style=float(nearest(vector, centres) == triplet.style) if centres else 0.0,
        )

    def _vector(self, path: Path) -> np.ndarray:
        if path not in self._vectors:
            self._vectors[path] = self._judge(open_image(path))
        return self._vectors[path]


def recoloured(triplet: Triplet) -> np.ndarray:
    """The photo in the style image's colours."""
    return transfer_colour(open_image(triplet.content), open_image(triplet.reference))
