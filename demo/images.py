"""Images of the demo: opened, brought to the small Kontext's size, and side by side."""

import numpy as np
from PIL import Image, ImageOps

SIDE = 256
"""Side of the small Kontext's images, in pixels."""


def square(image: Image.Image) -> Image.Image:
    """The middle, [256, 256]."""
    return ImageOps.fit(image, (SIDE, SIDE), Image.Resampling.LANCZOS)


def cat_photo() -> Image.Image:
    """scikit-image's cat."""
    from skimage import data

    return Image.fromarray(np.asarray(data.chelsea()))
