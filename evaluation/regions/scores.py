"""Scores of region images and their attention maps against the photo, the mask and the teacher's image."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ..images import open_image
from ..method_scores import MethodScores, MetricColumn
from ..metrics import (
    background_mse,
    background_pixels,
    background_ssim,
    cell_coverage,
    cosine_similarity,
    map_iou,
    nearest_style,
    object_box,
    pointing,
    seam,
    share_inside,
    style_centroids,
)
from ..metrics.style_vector import LabelledStyleVector, StyleVectorNetwork
from .jobs import read_map
from .trials import RegionTrials, open_mask, region_of

UNSTYLED = "photo"
"""Label of unstyled boxes among the styles. A result whose nearest centroid has this label was not stylised."""


@dataclass(frozen=True)
class RegionScore:
    """The scores of one image; those of its map are NaN for an image without a map.

    Attributes:
        iou: intersection over union of the map's cells above Otsu's threshold and the object's cells.
        pointing: 1 if the map's strongest cell is on the object, else 0.
        inside: share of the attention on the object.
        style_similarity: cosine of the style vectors of the image and the teacher's image, both cut to the object.
        own_style: 1 if the nearest centroid of all styles and unstyled boxes is that of the object's style, else 0.
        background_mse, background_ssim: of the background, to the photo.
        seam: strength of the edges that the image adds along the mask's outline.
    """

    iou: float
    pointing: float
    inside: float
    style_similarity: float
    own_style: float
    background_mse: float
    background_ssim: float
    seam: float


REGION_COLUMNS = (
    MetricColumn("iou", "map IoU", short_name="IoU"),
    MetricColumn("pointing", "pointing", ".0%"),
    MetricColumn("inside", "attention inside", ".0%", short_name="inside"),
    MetricColumn("style_similarity", "style similarity", short_name="style"),
    MetricColumn("own_style", "own style", ".0%"),
    MetricColumn("background_mse", "background MSE", ".4f", lower_is_better=True, short_name="bg MSE"),
    MetricColumn("background_ssim", "background SSIM", short_name="bg SSIM"),
    MetricColumn("seam", "seam", ".4f", lower_is_better=True),
)

MapScores = tuple[float, float, float]
"""IoU, pointing and share inside."""
NO_MAP: MapScores = (math.nan, math.nan, math.nan)


class RegionScorer:
    """Scores images of trials.

    Args:
        trials: what the images show.
        network: maps images to style vectors.
    """

    def __init__(self, trials: RegionTrials, network: StyleVectorNetwork) -> None:
        self.trials, self._network = trials, network
        boxes = [(row.styled, row.original, region_of(row).mask, region_of(row).style) for row in trials.teacher]
        unstyled = dict.fromkeys((original, original, mask, UNSTYLED) for _, original, mask, _ in boxes)
        self._teacher_vectors = [self._box_vector(*box) for box in (*boxes, *unstyled)]

    def score_baseline(self, name: str, images: Iterable[tuple[int, np.ndarray]]) -> MethodScores:
        """The scores of a method without maps, from trial numbers and images [256, 256, 3] uint8."""
        return self._scores(name, ((trial, image, NO_MAP) for trial, image in images))

    def score_method(self, name: str, files: Iterable[tuple[int, Path]], recorded: Sequence[str] = ()) -> MethodScores:
        """The scores of a method from trial numbers and image files, whose maps lie beside them.

        `recorded` holds the files as `scores.json` names them.
        """
        images = ((trial, open_image(file), self._map_scores(trial, read_map(file))) for trial, file in files)
        return self._scores(name, images, recorded)

    def _scores(
        self, name: str, images: Iterable[tuple[int, np.ndarray, MapScores]], files: Sequence[str] = ()
    ) -> MethodScores:
        scored = ((trial, self._score(trial, image, map_scores)) for trial, image, map_scores in images)
        return MethodScores.from_pairs(name, scored, len(self.trials.objects), files)

    def _map_scores(self, trial: int, attention: np.ndarray) -> MapScores:
        mask = open_mask(region_of(self.trials.examples[trial]).mask)
        maps, coverage = torch.from_numpy(attention), cell_coverage(mask, attention.shape)
        scores = map_iou(maps.float(), coverage), pointing(maps, coverage), share_inside(maps, coverage)
        return scores[0].item(), scores[1].item(), scores[2].item()

    def _score(self, trial: int, image: np.ndarray, map_scores: MapScores) -> RegionScore:
        example = self.trials.examples[trial]
        photo, mask = open_image(example.original), open_mask(region_of(example).mask)
        box, background = object_box(mask), background_pixels(mask)
        vector = self._network(image[box])
        centroids = style_centroids(self._teacher_vectors, without=example.original.stem)
        return RegionScore(
            *map_scores,
            style_similarity=cosine_similarity(vector, self._network(open_image(example.styled)[box])),
            own_style=float(bool(centroids) and nearest_style(vector, centroids) == region_of(example).style),
            background_mse=background_mse(photo, image, background),
            background_ssim=background_ssim(photo, image, background),
            seam=seam(photo, image, mask),
        )

    def _box_vector(self, image: Path, original: Path, mask: Path, style: str) -> LabelledStyleVector:
        """The style vector of the object's box. The scene is its content: a scene is not compared with itself."""
        vector = self._network(open_image(image)[object_box(open_mask(mask))])
        return LabelledStyleVector(style, original.stem, vector)
