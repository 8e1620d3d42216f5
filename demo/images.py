"""Images of the demo, in the size of the small Kontext."""

import numpy as np
from PIL import Image, ImageOps

from ..dataset.scenes import IMAGE_SIDE


def square(image: Image.Image) -> Image.Image:
    """Returns the middle of an image as a square of the small Kontext's size."""
    return ImageOps.fit(image, (IMAGE_SIDE, IMAGE_SIDE), Image.Resampling.LANCZOS)


def cat_photo() -> Image.Image:
    """Returns the cat photo of scikit-image."""
    from skimage import data

    return Image.fromarray(np.asarray(data.chelsea()))
