"""The images that style methods are compared with: the photo, colour transfer, and the teacher's image.

Every generated image is decoded by the VAE. Colour transfer and the teacher's image therefore have a second row each,
encoded and decoded by the same VAE.
"""

from collections.abc import Callable, Iterator

import numpy as np

from ...dataset.triplets import Triplet
from ..images import open_image
from ..vae_round_trip import VaeRoundTrip
from .colour_transfer import transfer_colour
from .trials import StyleTrials

PHOTO, COLOUR, TEACHER = "photo, unchanged", "Reinhard colour transfer", "teacher (ceiling)"
COLOUR_VAE, TEACHER_VAE = "colour transfer through the VAE", "teacher through the VAE"

NumberedImages = Iterator[tuple[int, np.ndarray]]
"""Trial numbers and images [H, W, 3] uint8."""


def lower_baselines(trials: StyleTrials, round_trip: VaeRoundTrip) -> dict[str, NumberedImages]:
    """The images of the rows above the methods, by name."""
    return {
        PHOTO: _images(trials, lambda row: open_image(row.content, trials.side)),
        COLOUR: _images(trials, lambda row: recoloured(row, trials.side)),
        COLOUR_VAE: _images(trials, lambda row: round_trip(recoloured(row, trials.side))),
    }


def ceilings(trials: StyleTrials, round_trip: VaeRoundTrip) -> dict[str, NumberedImages]:
    """The images of the rows below the methods, by name."""
    return {
        TEACHER_VAE: _images(trials, lambda row: round_trip(open_image(row.stylised, trials.side))),
        TEACHER: _images(trials, lambda row: open_image(row.stylised, trials.side)),
    }


def recoloured(triplet: Triplet, side: int) -> np.ndarray:
    """The content image with the colours of the style image, [side, side, 3] uint8."""
    return transfer_colour(open_image(triplet.content, side), open_image(triplet.reference, side))


def _images(trials: StyleTrials, image_of: Callable[[Triplet], np.ndarray]) -> NumberedImages:
    return ((number, image_of(row)) for number, row in enumerate(trials.triplets))
