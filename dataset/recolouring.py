"""Changes all colours of a stylised image by one fixed map, so that brush strokes and lines stay."""

import random
import warnings
from dataclasses import dataclass
from math import cos, radians, sin

import numpy as np
from skimage.color import lab2rgb, rgb2lab


@dataclass(frozen=True)
class Recolouring:
    """A map of CIE Lab colours: it rotates the hue, scales the chroma, adds a cast and bends the lightness.

    Attributes:
        turn: rotation of the hue, in degrees.
        chroma: factor for the chroma.
        cast: offsets added to a and b.
        gamma: exponent for the lightness in 0..1.
    """

    turn: float
    chroma: float
    cast: tuple[float, float]
    gamma: float

    @classmethod
    def draw(cls, rng: random.Random) -> "Recolouring":
        """Draws a random map: any rotation of the hue, but moderate other values, so that images stay natural."""
        cast = (rng.gauss(0, 10), rng.gauss(0, 10))
        return cls(rng.uniform(0, 360), rng.uniform(0.5, 1.4), cast, 2 ** rng.uniform(-0.7, 0.7))

    def apply(self, image: np.ndarray) -> np.ndarray:
        """Recolours an image, uint8 [H, W, 3] to the same shape; colours outside sRGB are clipped."""
        lightness, a, b = np.moveaxis(rgb2lab(image), -1, 0)
        angle = radians(self.turn)
        turned = (a * cos(angle) - b * sin(angle), a * sin(angle) + b * cos(angle))
        moved = [self.chroma * one + cast for one, cast in zip(turned, self.cast, strict=True)]
        bent = 100 * (lightness.clip(0, 100) / 100) ** self.gamma
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*negative Z values")
            pixels = lab2rgb(np.stack([bent, *moved], axis=-1))
        return (pixels.clip(0, 1) * 255).round().astype(np.uint8)
