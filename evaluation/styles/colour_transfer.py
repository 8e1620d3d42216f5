"""The baseline that only copies colour (Reinhard et al., Color Transfer between Images, 2001)."""

import warnings

import numpy as np
from skimage.color import lab2rgb, rgb2lab


def transfer_colour(photo: np.ndarray, style: np.ndarray) -> np.ndarray:
    """The photo with the mean and standard deviation of the style image in each channel of CIE Lab.

    Images are [H, W, 3] uint8. A channel of the photo that is constant takes the mean alone; colours out of the
    gamut are clipped. (Reinhard's own space is l-alpha-beta; Lab is what is commonly used in its place.)
    """
    source, target = rgb2lab(photo), rgb2lab(style)
    spread = source.std((0, 1))
    scale = np.divide(target.std((0, 1)), spread, out=np.zeros(3), where=spread > 1e-6)
    moved = (source - source.mean((0, 1))) * scale + target.mean((0, 1))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*negative Z values")
        pixels = lab2rgb(moved)
    return (pixels.clip(0, 1) * 255).round().astype(np.uint8)
