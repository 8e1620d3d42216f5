"""What the region experts are measured beside: the photo, the autoencoder alone, and the teacher with the true mask."""

from collections.abc import Iterator

import numpy as np

from ...dataset.teacher import STYLE_NAMES, stylise
from ..images import open_image
from ..through_vae import redraw_by_tiny_vae
from .trials import RegionTrials, region_of

PHOTO, AUTOENCODER = "photo, unchanged", "photo through the autoencoder"
GLOBAL, BLEND = "stylise all (teacher)", "stylise all, blend with the true mask"

Images = Iterator[tuple[int, np.ndarray]]
"""Numbers of trials, and images [256, 256, 3] uint8."""


def baselines(trials: RegionTrials) -> dict[str, Images]:
    """By name the images of every trial. The teacher's blend is also what the experts were trained to paint."""
    originals = [open_image(row.original) for row in trials.examples]
    styles = [STYLE_NAMES.index(region_of(row).style) for row in trials.examples]
    return {
        PHOTO: enumerate(originals),
        AUTOENCODER: enumerate(map(redraw_by_tiny_vae(), originals)),
        GLOBAL: enumerate(stylise(photo, style) for photo, style in zip(originals, styles, strict=True)),
        BLEND: enumerate(open_image(row.styled) for row in trials.examples),
    }
