"""Texture of grey images: Portilla-Simoncelli statistics, which no training uses.

The statistics describe strokes, dots, weave and contours at four scales: energies, autocorrelations, and correlations
between orientations and scales of a steerable pyramid. J. Portilla, E. P. Simoncelli, A Parametric Texture Model based
on Joint Statistics of Complex Wavelet Coefficients, 2000. `plenoptic` computes them.

Colours and contrast do not count: an image is its lightness with mean 0 and standard deviation 1. The statistics of
single pixels are left out.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from PIL import Image
from skimage.color import rgb2lab

from ...errors import DataError
from ..images import fit_square

SIDE = 256
"""Side in pixels at which textures are compared. A VAE blurs what is finer than this in an image of 512 pixels."""
SCALES, ORIENTATIONS, LAGS = 4, 4, 7
"""Scales and orientations of the pyramid, and the width of the autocorrelations in pixels of each scale. These are the
numbers of the paper."""
VERSION = 1
"""Raised when the same image gets other statistics, because evaluations keep them in files."""
PIXELS = "pixel_statistics"
ENERGIES = ("std_reconstructed", "magnitude_std", "var_highpass_residual", "kurtosis_reconstructed")
"""Groups of positive statistics that differ by factors: their logarithms are compared."""
SMALLEST_ENERGY, SMALLEST_DEVIATION = 1e-6, 1e-6

Texture = dict[str, np.ndarray]
"""Statistics of an image: arrays [N] by group."""
TextureStatistics = Callable[[np.ndarray], Texture]
"""Image [H, W, 3] uint8 -> its texture."""


def texture_statistics(image: np.ndarray) -> Texture:
    """The texture of an image [H, W, 3] uint8; an image of one colour has zeros.

    Raises:
        DataError: plenoptic is not installed.
    """
    lightness = rgb2lab(np.asarray(fit_square(Image.fromarray(image), SIDE)))[..., 0]
    grey = (lightness - lightness.mean()) / max(lightness.std(), SMALLEST_DEVIATION)
    model = _model()
    with torch.inference_mode():
        statistics = model(torch.from_numpy(grey).float()[None, None]).nan_to_num()
    groups = model.convert_to_dict(statistics)
    return {name: _values(name, values.numpy()) for name, values in groups.items() if name != PIXELS}


def mean_texture(textures: Sequence[Texture]) -> Texture:
    """The mean of each statistic."""
    return {name: np.mean([texture[name] for texture in textures], axis=0) for name in textures[0]}


def standard_deviations(textures: Sequence[Texture]) -> Texture:
    """The standard deviation of each statistic over images in many styles."""
    groups = {name: np.stack([texture[name] for texture in textures]) for name in textures[0]}
    return {name: values.std(axis=0).clip(min=SMALLEST_DEVIATION) for name, values in groups.items()}


def texture_distance(first: Texture, second: Texture, deviations: Texture) -> float:
    """Root mean square of the differences in units of `deviations`. Each group counts the same.

    Two images in different styles are about 1.4 apart, the square root of 2.
    """
    squares = [np.mean(((first[name] - second[name]) / deviations[name]) ** 2) for name in first]
    return float(np.sqrt(np.mean(squares)))


def _values(name: str, values: np.ndarray) -> np.ndarray:
    """A group's statistics as [N]. Its array has NaN in the places of statistics that repeat others."""
    own = values[np.isfinite(values)]
    return np.log(own.clip(min=SMALLEST_ENERGY)) if name in ENERGIES else own


@cache
def _model() -> Any:
    try:
        from plenoptic.models import PortillaSimoncelli
    except ImportError as error:
        raise DataError("the texture statistics are missing: run `pip install plenoptic`") from error
    return PortillaSimoncelli((SIDE, SIDE), SCALES, ORIENTATIONS, LAGS).eval()
