"""IMAGE inputs in one form: float32, red, green and blue."""

import torch
from torch import Tensor

from ..errors import StyleRouteError

GREY = (1, 2)
"""Numbers of channels of grey images: grey, or grey and alpha."""
MAX_CHANNELS = 4
"""Red, green, blue and alpha."""


def rgb_image(name: str, image: Tensor, refusal: type[StyleRouteError]) -> Tensor:
    """An IMAGE [B, H, W, C] as [B, H, W, 3] in float32. Alpha is dropped, and grey is repeated.

    Half precision is converted, because the CPU cannot resize such images.

    Raises:
        StyleRouteError: the image has another shape or no pixels, or holds whole numbers.
    """
    is_image = image.ndim == 4 and 0 not in image.shape and image.shape[-1] <= MAX_CHANNELS
    if not is_image or not image.is_floating_point():
        raise refusal(
            f"'{name}' has the shape {list(image.shape)} and the type {image.dtype}, expected [images, height, width, "
            f"1 to {MAX_CHANNELS} channels] in floating point. Connect at least one image."
        )
    image = image.float()
    return image[..., :1].expand(*image.shape[:3], 3) if image.shape[-1] in GREY else image[..., :3]


def require_finite(name: str, image: Tensor, refusal: type[StyleRouteError]) -> None:
    """Checks that an image has a colour in each pixel.

    Raises:
        StyleRouteError: a value is NaN or infinite.
    """
    if not torch.isfinite(image).all():
        raise refusal(
            f"'{name}' has values that are not finite (NaN), expected colours from 0 to 1. Check the node that made "
            "the image: a VAE in half precision can give NaN."
        )
