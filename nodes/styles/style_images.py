"""Style images of a node that takes several: a batch, and further images of other sizes."""

from collections.abc import Iterable

from comfy_api.latest import io
from torch import Tensor

from ...moe import StyleExpertError

MORE_IMAGES = ("image_2", "image_3", "image_4")
"""Names of the optional inputs after `image`."""


def more_image_inputs() -> list[io.Input]:
    """Optional inputs for further style images. Images of one batch must have one size; these may have any size."""
    return [
        io.Image.Input(name, optional=True, tooltip="Another style image, or a batch of them, of any size.")
        for name in MORE_IMAGES
    ]


def single_images(batches: Iterable[Tensor | None]) -> list[Tensor]:
    """All images of the connected batches, each [1, H, W, C].

    Raises:
        StyleExpertError: a batch is empty or no image.
    """
    images = []
    for batch in batches:
        if batch is None:
            continue
        if batch.ndim != 4 or 0 in batch.shape:
            raise StyleExpertError(
                f"The batch of style images is empty: its shape is {list(batch.shape)}, expected [images, height, "
                "width, channels]. Connect at least one image."
            )
        images += batch.split(1)
    return images
