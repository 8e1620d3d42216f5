"""What is measured of a region: of its map [h, w], and of the image [H, W, 3] uint8 around and along its mask [H, W].

Maps have cells of 16 x 16 pixels; a mask is brought to them as the share of each cell that the object covers.
"""

import numpy as np
import torch
from scipy.ndimage import binary_dilation, binary_erosion
from skimage.color import rgb2gray
from skimage.filters import sobel
from skimage.metrics import structural_similarity

from ...attention import heat_map, resize, soft_mask

NEAR = 3
"""Pixels around the mask that are neither object nor background: half of SSIM's window, which would look inside."""
EDGE = 2
"""Pixels to each side of the mask's outline that a seam would lie in."""

AROUND = np.ones((3, 3))
"""A pixel and its neighbours, those across the corner too."""


def coverage(mask: np.ndarray, cells: tuple[int, int]) -> np.ndarray:
    """Mask [H, W] in 0..1 -> share of each cell [h, w] that it covers."""
    return resize(torch.from_numpy(mask.astype(np.float32))[None], cells)[0].numpy()


def covered(share: np.ndarray) -> np.ndarray:
    """The cells [h, w] that count as the object's: half covered, or half as much as the best where none is."""
    return share >= 0.5 * min(1.0, share.max())


def iou(attention: np.ndarray, share: np.ndarray) -> float:
    """Of the cells above Otsu's threshold with those of the object; 0 for an even map, which has none above it."""
    heat = heat_map(torch.from_numpy(attention.astype(np.float32)))
    found, true = soft_mask(heat, "otsu", smoothing=0).numpy() > 0.5, covered(share)
    return float((found & true).sum() / max((found | true).sum(), 1))


def pointing(attention: np.ndarray, share: np.ndarray) -> float:
    """1 if the strongest cell is the object's, else 0; where several are the strongest, the share of them."""
    return float(covered(share)[attention == attention.max()].mean())


def share_inside(attention: np.ndarray, share: np.ndarray) -> float:
    """How much of the attention lies on the object, 0 to 1; an even map gives the object's share of the image."""
    return float((attention * share).sum() / max(attention.sum(), np.finfo(np.float32).tiny))


def background_of(mask: np.ndarray) -> np.ndarray:
    """The pixels [H, W] that are farther than NEAR from the object."""
    return ~binary_dilation(mask > 0, AROUND, NEAR)


def background_mse(photo: np.ndarray, result: np.ndarray, background: np.ndarray) -> float:
    """Of values in 0..1, over the background; 0 without one."""
    difference = (photo.astype(np.float64) - result)[background] / 255
    return float((difference**2).mean()) if background.any() else 0.0


def background_ssim(photo: np.ndarray, result: np.ndarray, background: np.ndarray) -> float:
    """1 where the background is the photo's."""
    similar = structural_similarity(photo, result, channel_axis=2, data_range=255, full=True)[1]
    return float(similar[background].mean()) if background.any() else 1.0


def seam(photo: np.ndarray, result: np.ndarray, mask: np.ndarray) -> float:
    """Edges (Sobel of the luminance) that the result has along the mask's outline and the photo has not, 0 to 1.

    The object's own outline is the photo's, and does not count; an edge that was softened makes up for none.
    """
    inside = mask > 0.5
    outline = binary_dilation(inside, AROUND, EDGE) & ~binary_erosion(inside, AROUND, EDGE)
    added = (sobel(rgb2gray(result)) - sobel(rgb2gray(photo))).clip(min=0)
    return float(added[outline].mean()) if outline.any() else 0.0


def box(mask: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns of the smallest square around the object that the image has room for.

    The judge looks at the middle square alone of what it is given.
    """
    spans = [np.flatnonzero((mask > 0.5).any(axis=axis))[[0, -1]] for axis in (1, 0)]
    side = max(last - first + 1 for first, last in spans)
    starts = ((first + last + 1 - side) // 2 for first, last in spans)
    inside = [int(min(max(start, 0), max(full - side, 0))) for start, full in zip(starts, mask.shape, strict=True)]
    return slice(inside[0], inside[0] + int(side)), slice(inside[1], inside[1] + int(side))
