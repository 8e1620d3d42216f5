"""Style images of a node that takes several: a batch, and further images of other sizes."""

from comfy_api.latest import io
from torch import Tensor

from ...moe import StyleExpertError
from ..images import require_finite

MORE_IMAGES = ("image_2", "image_3", "image_4")
"""Names of the optional inputs after `image`."""


def more_image_inputs() -> list[io.Input]:
    """Optional inputs for further style images. Images of one batch must have one size; these may have any size."""
    return [
        io.Image.Input(name, optional=True, tooltip="Another style image, or a batch of them, of any size.")
        for name in MORE_IMAGES
    ]


def single_images(**batches: Tensor | None) -> list[Tensor]:
    """All images of the connected batches [B, H, W, 3], each [1, H, W, 3], in the order of the inputs.

    Raises:
        StyleExpertError: an image holds NaN or infinite numbers.
    """
    connected = {name: batch for name, batch in batches.items() if batch is not None}
    for name, batch in connected.items():
        require_finite(name, batch, StyleExpertError)
    return [image for batch in connected.values() for image in batch.split(1)]
