"""Images of the demo, in the size of the small Kontext."""

import numpy as np
from PIL import Image, ImageOps

SIDE = 256
"""Side of the small Kontext's images, in pixels."""


def square(image: Image.Image) -> Image.Image:
    """Returns the middle of an image as a square of 256 x 256 pixels."""
    return ImageOps.fit(image, (SIDE, SIDE), Image.Resampling.LANCZOS)


def cat_photo() -> Image.Image:
    """Returns the cat photo of scikit-image."""
    from skimage import data

    return Image.fromarray(np.asarray(data.chelsea()))
