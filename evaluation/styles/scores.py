"""Scores of stylised images against the photo, the style image and the teacher's image."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...dataset.triplets import Triplet
from ..images import open_image
from ..method_scores import MethodScores, MetricColumn
from ..metrics import (
    colour_distance,
    cosine_similarity,
    edge_ssim,
    l1,
    multi_scale_ssim,
    nearest_style,
    style_centroids,
)
from ..metrics.style_vector import LabelledStyleVector, StyleVectorNetwork
from .teacher_textures import TeacherTextures
from .trials import StyleTrials


@dataclass(frozen=True)
class StyleScore:
    """The scores of one image.

    Attributes:
        style_similarity: cosine of the style vectors of the image and the style image.
        ms_ssim, l1: multi-scale SSIM with, and mean absolute difference to, the teacher's image.
        edges_kept: SSIM of the edges of the image and the photo.
        own_style: 1 if the centroid of the image's own style is the nearest of all styles, else 0.
        colour_distance: distance of the palettes of the image and the teacher's image.
        texture_distance: distance of the textures of the image and of the teacher's image through the VAE.
        own_texture: 1 if the mean texture of the image's own style is the nearest of all styles, else 0.
    """

    style_similarity: float
    ms_ssim: float
    l1: float
    edges_kept: float
    own_style: float
    colour_distance: float
    texture_distance: float
    own_texture: float


TEXTURE_DISTANCE = MetricColumn("texture_distance", "texture distance", ".2f", True, "texture")
OWN_TEXTURE = MetricColumn("own_texture", "own texture", ".0%")
STYLE_SIMILARITY = MetricColumn("style_similarity", "style similarity", short_name="style vector")
OWN_STYLE = MetricColumn("own_style", "own style", ".0%")
MS_SSIM = MetricColumn("ms_ssim", "MS-SSIM")
L1 = MetricColumn("l1", "L1", lower_is_better=True)
COLOUR_DISTANCE = MetricColumn("colour_distance", "colour distance", ".1f", True, "colour")
EDGES_KEPT = MetricColumn("edges_kept", "edges kept")
STYLE_COLUMNS = (TEXTURE_DISTANCE, OWN_TEXTURE, STYLE_SIMILARITY, OWN_STYLE)
IMAGE_COLUMNS = (L1, COLOUR_DISTANCE, MS_SSIM, EDGES_KEPT)
"""How close an image is to the style, and how close to the teacher's image and the photo."""


class StyleScorer:
    """Scores images of trials.

    Args:
        trials: what the images show.
        network: maps images to style vectors.
        textures: the textures of the teacher's images.
    """

    def __init__(self, trials: StyleTrials, network: StyleVectorNetwork, textures: TeacherTextures) -> None:
        self.trials, self._network, self._textures = trials, network, textures
        self._vectors: dict[Path, np.ndarray] = {}
        self._teacher_vectors = [
            LabelledStyleVector(row.style, row.content_name, self._vector(path)) for path, row in textures.rows.items()
        ]

    def score_method(
        self, name: str, images: Iterable[tuple[int, np.ndarray]], files: Sequence[str] = ()
    ) -> MethodScores:
        """The scores of a method from trial numbers and images [H, W, 3] uint8, and the files of kept images."""
        scored = ((trial, self.score(image, self.trials.triplets[trial])) for trial, image in images)
        return MethodScores.from_pairs(name, scored, len(self.trials.photos), files)

    def score(self, image: np.ndarray, triplet: Triplet) -> StyleScore:
        """The scores of one image [H, W, 3] uint8."""
        vector, texture = self._network(image), self._textures.statistics(image)
        teacher = open_image(triplet.stylised, self.trials.side)
        centroids = style_centroids(self._teacher_vectors, without=triplet.content_name)
        return StyleScore(
            style_similarity=cosine_similarity(vector, self._vector(triplet.reference)),
            ms_ssim=multi_scale_ssim(image, teacher),
            l1=l1(image, teacher),
            edges_kept=edge_ssim(open_image(triplet.content, self.trials.side), image),
            own_style=float(bool(centroids) and nearest_style(vector, centroids) == triplet.style),
            colour_distance=colour_distance(teacher, image),
            texture_distance=self._textures.distance(texture, triplet),
            own_texture=float(self._textures.nearest_style(texture, triplet.content_name) == triplet.style),
        )

    def _vector(self, path: Path) -> np.ndarray:
        if path not in self._vectors:
            self._vectors[path] = self._network(open_image(path, self.trials.side))
        return self._vectors[path]
