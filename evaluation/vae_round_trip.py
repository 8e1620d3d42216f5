"""Encodes and decodes images with the VAE: the best quality that an image of the small Kontext can have."""

from collections.abc import Callable

import numpy as np
from torchvision.transforms.functional import to_tensor

from ..training.bases import load_base

VaeRoundTrip = Callable[[np.ndarray], np.ndarray]
"""Image [H, W, 3] uint8 -> the same image, encoded and decoded."""


def small_vae_round_trip() -> VaeRoundTrip:
    """The round trip through the small Kontext's VAE; H and W must be multiples of 16."""
    base = load_base("tiny")

    def round_trip(image: np.ndarray) -> np.ndarray:
        pixels = to_tensor(image)[None]
        decoded = base.decode(base.encode(pixels))[0].permute(1, 2, 0)
        return (decoded * 255).round().byte().numpy()

    return round_trip
