"""Peak signal-to-noise ratio of two images."""

import numpy as np

SMALLEST_ERROR = 1e-10
"""Added to the mean squared error, so that equal images score 100 dB instead of infinity."""


def psnr(result: np.ndarray, target: np.ndarray, weight: np.ndarray | None = None) -> float:
    """PSNR in dB of images [H, W, 3] in 0..1; `weight` [H, W] weights the squared error of each pixel."""
    error = ((result - target) ** 2).mean(-1)
    mean = error.mean() if weight is None else (error * weight).sum() / weight.sum()
    return float(-10 * np.log10(mean + SMALLEST_ERROR))
