"""Distances and similarities of two images [H, W, 3] uint8.

They need no network. `background_lpips` compares images as people see them, but needs downloaded weights.
"""

import numpy as np
from skimage.color import rgb2gray, rgb2lab
from skimage.filters import sobel
from skimage.metrics import structural_similarity
from torchmetrics.functional.image import multiscale_structural_similarity_index_measure
from torchvision.transforms.functional import to_tensor

KERNEL, SIGMA = 11, 1.5
"""Width and sigma in pixels of SSIM's Gaussian window (Wang et al., 2003)."""
BETAS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Weights of the five scales (Wang et al., 2003). The window still fits into the last scale of a 256 x 256 image,
which is 16 x 16; torchmetrics refuses smaller images."""


def multi_scale_ssim(first: np.ndarray, second: np.ndarray) -> float:
    """Multi-scale SSIM; 1 for equal images.

    Wang et al., Multi-scale Structural Similarity for Image Quality Assessment, 2003.
    """
    value = multiscale_structural_similarity_index_measure(
        to_tensor(first)[None], to_tensor(second)[None], gaussian_kernel=True, sigma=SIGMA, kernel_size=KERNEL,
        data_range=1.0, betas=BETAS,
    )  # fmt: skip
    return value.item()


def l1(first: np.ndarray, second: np.ndarray) -> float:
    """Mean absolute difference of values in 0..1."""
    return (to_tensor(first) - to_tensor(second)).abs().mean().item()


def edge_ssim(photo: np.ndarray, result: np.ndarray) -> float:
    """SSIM of the Sobel edges of both luminances: how well the result keeps the photo's shapes, in any colours."""
    return float(structural_similarity(sobel(rgb2gray(photo)), sobel(rgb2gray(result)), data_range=1.0))


def edge_correlation(photo: np.ndarray, result: np.ndarray) -> float:
    """Pearson correlation of the Sobel edges of both luminances, -1 to 1; 0 if one image has no edge.

    Unlike `edge_ssim`, it does not fall if the result's edges are stronger than the photo's.
    """
    first, second = (sobel(rgb2gray(image)).ravel() for image in (photo, result))
    if not first.std() or not second.std():
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


def colour_distance(style: np.ndarray, result: np.ndarray) -> float:
    """Distance of the palettes in CIE Lab units: Euclidean, over the means and standard deviations of the channels."""
    first, second = (rgb2lab(image).reshape(-1, 3) for image in (style, result))
    differences = [statistic(first, 0) - statistic(second, 0) for statistic in (np.mean, np.std)]
    return float(np.linalg.norm(np.concatenate(differences)))
