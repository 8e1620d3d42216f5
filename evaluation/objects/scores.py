"""Scores of images with styled objects, against the photo, the true masks and the teacher's images."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from ...dataset.teacher import TEST_STYLES, stylise
from ..images import open_image
from ..method_scores import MetricColumn
from ..metrics import (
    background_mse,
    background_pixels,
    background_ssim,
    cell_coverage,
    cosine_similarity,
    is_swapped,
    map_iou,
    object_box,
    seam,
)
from ..metrics.style_vector import StyleVectorNetwork
from .trials import ObjectTrial, read_mask

UNSTYLED = -1
"""Stands for the photo among the styles."""


@dataclass(frozen=True)
class ObjectScore:
    """The scores of one image; the mean over its objects, where each object has its own.

    Attributes:
        style: cosine of the style vectors of the image and the teacher's image. Only the object counts: both are pasted
            into the photo by the true mask, and cut to the object's box.
        own_style: share of objects whose nearest teacher's image, of all styles and the photo, is in their own style.
        swapped: share of objects that are nearer to the style of the other object; NaN with one object.
        all_right: 1 if every object has its own style.
        background_mse, background_ssim: of the pixels outside all objects, to the photo.
        seam: strength of the edges that the image adds along the masks' outlines.
        iou: intersection over union of the map's cells above Otsu's threshold and the object's cells; NaN without maps.
    """

    style: float
    own_style: float
    swapped: float
    all_right: float
    background_mse: float
    background_ssim: float
    seam: float
    iou: float


OBJECT_COLUMNS = (
    MetricColumn("style", "style"),
    MetricColumn("own_style", "own style", ".0%"),
    MetricColumn("swapped", "swapped", ".0%", lower_is_better=True),
    MetricColumn("all_right", "all right", ".0%"),
    MetricColumn("background_mse", "bg MSE", ".4f", lower_is_better=True),
    MetricColumn("background_ssim", "bg SSIM"),
    MetricColumn("seam", "seam", ".4f", lower_is_better=True),
    MetricColumn("iou", "IoU"),
)


class TrialScorer:
    """Scores the images of one scene.

    Args:
        trial: the scene.
        network: maps images to style vectors.
    """

    def __init__(self, trial: ObjectTrial, network: StyleVectorNetwork) -> None:
        self._trial, self._network = trial, network
        self._photo = open_image(trial.photo)
        self._masks = [read_mask(styled) for styled in trial.objects]

    def score(self, image: np.ndarray, maps: Mapping[str, np.ndarray]) -> ObjectScore:
        """The scores of an image [256, 256, 3] uint8 and its maps [h, w] by the objects' names."""
        objects = self._trial.objects
        nearest = [self._nearest(index, image) for index in range(len(objects))]
        right = [style == styled.style for style, styled in zip(nearest, objects, strict=True)]
        swapped = [self._is_swapped(index, image) for index in range(len(objects))] if len(objects) > 1 else [math.nan]
        background = background_pixels(np.maximum.reduce(self._masks))
        return ObjectScore(
            style=float(np.mean([self._similarity(index, image) for index in range(len(objects))])),
            own_style=float(np.mean(right)),
            swapped=float(np.mean(swapped)),
            all_right=float(all(right)),
            background_mse=background_mse(self._photo, image, background),
            background_ssim=background_ssim(self._photo, image, background),
            seam=float(np.mean([seam(self._photo, image, mask) for mask in self._masks])),
            iou=float(np.mean([self._iou(index, maps) for index in range(len(objects))])),
        )

    def teacher(self) -> np.ndarray:
        """The photo with each object in its style: the teacher's images, blended by the true masks."""
        image = self._photo.astype(np.float32)
        for styled, mask in zip(self._trial.objects, self._masks, strict=True):
            image += mask[..., None] * (self._stylised[styled.style] - image)
        return image.round().astype(np.uint8)

    @cached_property
    def _stylised(self) -> dict[int, np.ndarray]:
        """The whole photo in every style of the test, and as it is."""
        return {UNSTYLED: self._photo, **{style: stylise(self._photo, style) for style in TEST_STYLES}}

    @cached_property
    def _references(self) -> list[dict[int, np.ndarray]]:
        """For each object, the style vector of its box in every style of the test and in the photo."""
        every = range(len(self._masks))
        return [{style: self._vector(index, image) for style, image in self._stylised.items()} for index in every]

    def _vector(self, index: int, image: np.ndarray) -> np.ndarray:
        """The style vector of an object alone: pasted into the photo by its mask, and cut to its box."""
        mask, photo = self._masks[index][..., None], self._photo.astype(np.float32)
        pasted = (photo + mask * (image - photo)).round().astype(np.uint8)
        return self._network(pasted[object_box(self._masks[index])])

    def _cosines(self, index: int, image: np.ndarray) -> dict[int, float]:
        vector = self._vector(index, image)
        return {style: cosine_similarity(vector, own) for style, own in self._references[index].items()}

    def _similarity(self, index: int, image: np.ndarray) -> float:
        return self._cosines(index, image)[self._trial.objects[index].style]

    def _nearest(self, index: int, image: np.ndarray) -> int:
        cosines = self._cosines(index, image)
        return max(cosines, key=cosines.__getitem__)

    def _is_swapped(self, index: int, image: np.ndarray) -> bool:
        own, other = (self._references[index][self._trial.objects[which].style] for which in (index, 1 - index))
        return is_swapped(self._vector(index, image), own, other)

    def _iou(self, index: int, maps: Mapping[str, np.ndarray]) -> float:
        attention = maps.get(self._trial.objects[index].name)
        if attention is None:
            return math.nan
        coverage = cell_coverage(self._masks[index], (attention.shape[0], attention.shape[1]))
        return map_iou(torch.from_numpy(attention).float(), coverage).item()
