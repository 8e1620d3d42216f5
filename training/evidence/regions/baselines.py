"""What the region experts are measured beside: the photo, the autoencoder alone, and the teacher with the true mask."""

from collections.abc import Iterator

import numpy as np
import torch

from ...bases import load_base
from ...data.paintings import STYLE_NAMES, paint
from ..pictures import open_picture
from .trials import RegionTrials, region_of

PHOTO, AUTOENCODER = "photo, unchanged", "photo through the autoencoder"
GLOBAL, BLEND = "stylise all (teacher)", "stylise all, blend with the true mask"

Pictures = Iterator[tuple[int, np.ndarray]]
"""Numbers of trials, and pictures [256, 256, 3] uint8."""


def baselines(trials: RegionTrials) -> dict[str, Pictures]:
    """By name the pictures of every trial. The teacher's blend is also what the experts were trained to paint."""
    originals = [open_picture(row.original) for row in trials.examples]
    styles = [STYLE_NAMES.index(region_of(row).style) for row in trials.examples]
    return {
        PHOTO: enumerate(originals),
        AUTOENCODER: enumerate(_through_autoencoder(originals)),
        GLOBAL: enumerate(paint(photo, style) for photo, style in zip(originals, styles, strict=True)),
        BLEND: enumerate(open_picture(row.styled) for row in trials.examples),
    }


@torch.no_grad()
def _through_autoencoder(pictures: list[np.ndarray]) -> Iterator[np.ndarray]:
    base = load_base("tiny")
    for picture in pictures:
        pixels = torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float() / 255
        decoded = base.decode(base.encode(pixels).float())[0].clamp(0, 1)
        yield (decoded.float().permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
