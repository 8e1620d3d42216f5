"""The images that region experts are compared with: the photo, the autoencoder, and the teacher with the true mask."""

from collections.abc import Iterator

import numpy as np

from ...dataset.teacher import STYLE_NAMES, stylise
from ..images import open_image
from ..vae_round_trip import small_vae_round_trip
from .trials import RegionTrials, region_of

PHOTO, AUTOENCODER = "photo, unchanged", "photo through the autoencoder"
GLOBAL, BLEND = "stylise all (teacher)", "stylise all, blend with the true mask"

NumberedImages = Iterator[tuple[int, np.ndarray]]
"""Trial numbers and images [256, 256, 3] uint8."""


def baselines(trials: RegionTrials) -> dict[str, NumberedImages]:
    """The images of every trial by baseline. The teacher's blend is also the target of the experts' training."""
    originals = [open_image(row.original) for row in trials.examples]
    styles = [STYLE_NAMES.index(region_of(row).style) for row in trials.examples]
    return {
        PHOTO: enumerate(originals),
        AUTOENCODER: enumerate(map(small_vae_round_trip(), originals)),
        GLOBAL: enumerate(stylise(photo, style) for photo, style in zip(originals, styles, strict=True)),
        BLEND: enumerate(open_image(row.styled) for row in trials.examples),
    }
