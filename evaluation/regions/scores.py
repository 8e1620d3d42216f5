"""Every image of every method, measured."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from ..images import open_image
from ..rows import Row
from ..style_vector import Judge, Judged, centroids, cosine, nearest
from .metrics import background_mse, background_of, background_ssim, box, coverage, iou, pointing, seam, share_inside
from .painting import read_map
from .trials import RegionTrials, open_mask, region_of

UNPAINTED = "photo"
"""Stands among the styles: a box that the judge puts nearest to it was not painted."""


@dataclass(frozen=True)
class RegionScore:
    """One image's figures; those of the map are NaN where there is none.

    Attributes:
        iou: of the map, parted by Otsu's threshold, with the true mask.
        pointing: whether the map's strongest cell is on the object.
        inside: share of the attention on the object.
        style: cosine of the judge's vectors of image and teacher's image, both cut to the box of the mask.
        own_style: 1 if the judge puts the box nearest to its style, among all styles and unpainted boxes.
        mse, ssim: of the background, to the photo's.
        seam: edges added along the mask's outline.
    """

    iou: float
    pointing: float
    inside: float
    style: float
    own_style: float
    mse: float
    ssim: float
    seam: float


COLUMNS = tuple(field.name for field in fields(RegionScore))
NO_MAP = (math.nan, math.nan, math.nan)


class RegionScoring:
    """Measures images of trials against photo, mask and teacher's image.

    Args:
        trials: what was painted.
        judge: gives style vectors.
    """

    def __init__(self, trials: RegionTrials, judge: Judge) -> None:
        self.trials, self._judge = trials, judge
        boxes = [(row.styled, row.original, region_of(row).mask, region_of(row).style) for row in trials.teacher]
        unpainted = dict.fromkeys((original, original, mask, UNPAINTED) for _, original, mask, _ in boxes)
        self._judged = [self._judge_box(*paths) for paths in (*boxes, *unpainted)]

    def row(self, name: str, images: Iterable[tuple[int, np.ndarray]]) -> Row:
        """Images [256, 256, 3] uint8 without maps, with the numbers of their trials -> one line."""
        measured = [(trial, self._score(trial, image, NO_MAP)) for trial, image in images]
        return Row(name, [trial for trial, _ in measured], [score for _, score in measured], len(self.trials.things))

    def painted_row(self, name: str, paths: Iterable[tuple[int, Path]]) -> Row:
        """Files that were painted, whose maps lie beside them."""
        measured = [
            (trial, self._score(trial, open_image(path), self._of_map(trial, read_map(path)))) for trial, path in paths
        ]
        return Row(name, [trial for trial, _ in measured], [score for _, score in measured], len(self.trials.things))

    def _of_map(self, trial: int, attention: np.ndarray) -> tuple[float, float, float]:
        share = coverage(open_mask(region_of(self.trials.examples[trial]).mask), attention.shape)
        return iou(attention, share), pointing(attention, share), share_inside(attention, share)

    def _score(self, trial: int, image: np.ndarray, of_map: tuple[float, float, float]) -> RegionScore:
        example = self.trials.examples[trial]
        photo, mask = open_image(example.original), open_mask(region_of(example).mask)
        vector, background = self._judge(image[box(mask)]), background_of(mask)
        centres = centroids(self._judged, without=example.original.stem)
        return RegionScore(
            *of_map,
            style=cosine(vector, self._judge(open_image(example.styled)[box(mask)])),
            own_style=float(bool(centres) and nearest(vector, centres) == region_of(example).style),
            mse=background_mse(photo, image, background),
            ssim=background_ssim(photo, image, background),
            seam=seam(photo, image, mask),
        )

    def _judge_box(self, image: Path, original: Path, mask: Path, style: str) -> Judged:
        """By its scene: no image is compared with those of its own."""
        return Judged(style, original.stem, self._judge(open_image(image)[box(open_mask(mask))]))
