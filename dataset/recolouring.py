"""Other colours for a painting: one fixed map of all of its colours, so that brush and line stay."""

import random
import warnings
from dataclasses import dataclass
from math import cos, radians, sin

import numpy as np
from skimage.color import lab2rgb, rgb2lab


@dataclass(frozen=True)
class Recolouring:
    """A map of CIE Lab: the hue turned, the chroma scaled, a cast added, the lightness bent.

    Attributes:
        turn: of the hue, in degrees.
        chroma: factor of the chroma.
        cast: added to a and b.
        gamma: exponent of the lightness.
    """

    turn: float
    chroma: float
    cast: tuple[float, float]
    gamma: float

    @classmethod
    def draw(cls, rng: random.Random) -> "Recolouring":
        """Any turn; the rest moderate, so that a painting stays one."""
        cast = (rng.gauss(0, 10), rng.gauss(0, 10))
        return cls(rng.uniform(0, 360), rng.uniform(0.5, 1.4), cast, 2 ** rng.uniform(-0.7, 0.7))

    def apply(self, image: np.ndarray) -> np.ndarray:
        """[H, W, 3] uint8, the same comes back; colours out of the gamut are clipped."""
        lightness, a, b = np.moveaxis(rgb2lab(image), -1, 0)
        angle = radians(self.turn)
        turned = (a * cos(angle) - b * sin(angle), a * sin(angle) + b * cos(angle))
        moved = [self.chroma * one + cast for one, cast in zip(turned, self.cast, strict=True)]
        bent = 100 * (lightness.clip(0, 100) / 100) ** self.gamma
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*negative Z values")
            pixels = lab2rgb(np.stack([bent, *moved], axis=-1))
        return (pixels.clip(0, 1) * 255).round().astype(np.uint8)
