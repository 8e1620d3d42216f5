"""Metrics of an edited region: images [H, W, 3] uint8 around and along the region's mask [H, W] in 0..1."""

import numpy as np
import torch
from scipy.ndimage import binary_dilation, binary_erosion
from skimage.color import rgb2gray
from skimage.filters import sobel
from skimage.metrics import structural_similarity
from torch import Tensor

from ...attention import resize

BACKGROUND_MARGIN = 3
"""Pixels around the object that do not count as background: half of SSIM's window, which would reach the object."""
SEAM_WIDTH = 2
"""Pixels on each side of the mask's outline in which a seam is measured."""
NEIGHBOURS = np.ones((3, 3))
"""A pixel and its eight neighbours, for growing and shrinking masks."""


def cell_coverage(mask: np.ndarray, cells: tuple[int, int]) -> Tensor:
    """The share of each cell [h, w] that the mask [H, W] covers. Attention maps have cells of 16 x 16 pixels."""
    return resize(torch.from_numpy(mask.astype(np.float32))[None], cells)[0]


def background_pixels(mask: np.ndarray, margin: int = BACKGROUND_MARGIN) -> np.ndarray:
    """The pixels [H, W], bool, that are more than `margin` pixels away from the object; 0 for RegionRoute's 1 - M."""
    touched = mask > 0
    return ~binary_dilation(touched, NEIGHBOURS, margin) if margin else ~touched


def background_mse(photo: np.ndarray, result: np.ndarray, background: np.ndarray) -> float:
    """Mean squared error over the background pixels [H, W], values in 0..1; 0 without background.

    RegionRoute does not say whether its values are in 0..1 or -1..1. In -1..1 the error is four times as large.
    """
    difference = (photo.astype(np.float64) - result)[background] / 255
    return float((difference**2).mean()) if background.any() else 0.0


def background_ssim(photo: np.ndarray, result: np.ndarray, background: np.ndarray) -> float:
    """Mean SSIM over the background pixels [H, W]; 1 where nothing changed or without background."""
    similarity = structural_similarity(photo, result, channel_axis=2, data_range=255, full=True)[1]
    return float(similarity[background].mean()) if background.any() else 1.0


def seam(photo: np.ndarray, result: np.ndarray, mask: np.ndarray) -> float:
    """Mean strength, 0 to 1, of the Sobel edges that the result adds along the mask's outline.

    Edges of the photo do not count, and a softened edge does not make up for an added one.
    """
    inside = mask > 0.5
    outline = binary_dilation(inside, NEIGHBOURS, SEAM_WIDTH) & ~binary_erosion(inside, NEIGHBOURS, SEAM_WIDTH)
    added = (sobel(rgb2gray(result)) - sobel(rgb2gray(photo))).clip(min=0)
    return float(added[outline].mean()) if outline.any() else 0.0


def object_box(mask: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns of the smallest square around the object, moved inside the image.

    A square, because the style-vector network reads only the middle square of its image.
    """
    spans = [np.flatnonzero((mask > 0.5).any(axis=axis))[[0, -1]] for axis in (1, 0)]
    side = max(last - first + 1 for first, last in spans)
    starts = ((first + last + 1 - side) // 2 for first, last in spans)
    inside = [int(min(max(start, 0), max(full - side, 0))) for start, full in zip(starts, mask.shape, strict=True)]
    return slice(inside[0], inside[0] + int(side)), slice(inside[1], inside[1] + int(side))
