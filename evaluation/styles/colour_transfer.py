"""The baseline that copies only colours (Reinhard et al., Color Transfer between Images, 2001)."""

import warnings

import numpy as np
from skimage.color import lab2rgb, rgb2lab

SMALLEST_DEVIATION = 1e-6
"""Standard deviation below which a channel counts as constant, in Lab units."""


def transfer_colour(photo: np.ndarray, style: np.ndarray) -> np.ndarray:
    """The photo with the style image's mean and standard deviation in each channel of CIE Lab.

    Images are [H, W, 3] uint8. A constant channel of the photo takes only the mean; colours outside the gamut are
    clipped. Reinhard uses the colour space l-alpha-beta; most implementations use Lab instead, as this one does.
    """
    source, target = rgb2lab(photo), rgb2lab(style)
    deviation = source.std((0, 1))
    scale = np.divide(target.std((0, 1)), deviation, out=np.zeros(3), where=deviation > SMALLEST_DEVIATION)
    moved = (source - source.mean((0, 1))) * scale + target.mean((0, 1))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*negative Z values")
        pixels = lab2rgb(moved)
    return (pixels.clip(0, 1) * 255).round().astype(np.uint8)
