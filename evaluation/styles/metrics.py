"""Distances between images [H, W, 3] uint8.

LPIPS is not among them: torchmetrics ships its linear layers, but the weights of the network below them come from a
server of PyTorch's, which cannot be reached everywhere; multi-scale SSIM and L1 stand in its place.
"""

import numpy as np
from skimage.color import rgb2gray
from skimage.filters import sobel
from skimage.metrics import structural_similarity
from torchmetrics.functional.image import multiscale_structural_similarity_index_measure
from torchvision.transforms.functional import to_tensor

KERNEL, SIGMA = 11, 1.5
BETAS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Weights of the five scales (Wang et al., 2003). At 256 pixels the last one is 16 x 16, which the kernel fits into;
smaller images are refused by torchmetrics."""


def multi_scale_ssim(first: np.ndarray, second: np.ndarray) -> float:
    """1 for equal images."""
    value = multiscale_structural_similarity_index_measure(
        to_tensor(first)[None], to_tensor(second)[None], gaussian_kernel=True, sigma=SIGMA, kernel_size=KERNEL,
        data_range=1.0, betas=BETAS,
    )  # fmt: skip
    return value.item()


def l1(first: np.ndarray, second: np.ndarray) -> float:
    """Mean absolute difference of values in 0..1."""
    return (to_tensor(first) - to_tensor(second)).abs().mean().item()


def edge_ssim(photo: np.ndarray, result: np.ndarray) -> float:
    """SSIM of the edges (Sobel) of both luminances: how much of the photo's drawing is left, whatever the colours."""
    return float(structural_similarity(sobel(rgb2gray(photo)), sobel(rgb2gray(result)), data_range=1.0))
