"""Images as the VAE gives them back: what no painting of the small Kontext can be better than."""

from collections.abc import Callable

import numpy as np
from torchvision.transforms.functional import to_tensor

from ..training.bases import load_base

Redraw = Callable[[np.ndarray], np.ndarray]
"""Image [H, W, 3] uint8 -> the same image, encoded and decoded."""


def redraw_by_tiny_vae() -> Redraw:
    """The small Kontext's own VAE; H and W are multiples of 16."""
    base = load_base("tiny")

    def redraw(image: np.ndarray) -> np.ndarray:
        pixels = to_tensor(image)[None]
        decoded = base.decode(base.encode(pixels))[0].permute(1, 2, 0)
        return (decoded * 255).round().byte().numpy()

    return redraw
