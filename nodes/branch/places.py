"""Where a style belongs in the image: everywhere, or inside a mask."""

from dataclasses import dataclass

from torch import Tensor

from ...attention import AttentionError, resize
from .token_grids import Grid


@dataclass(frozen=True, eq=False)
class MaskPlace:
    """The place of a MASK.

    Attributes:
        mask: [1, H, W] or [images, H, W] from 0 to 1, of any size: it covers the whole image.
    """

    mask: Tensor

    def __call__(self, grid: Grid) -> Tensor:
        """The mask for a grid of tokens, [1 or images, h, w]: each token gets the mean over its own area."""
        return resize(self.mask, grid).clamp(0, 1)

    def require_images(self, images: int) -> None:
        """Requires one mask, or one for each image.

        Raises:
            AttentionError: the number of masks is another one.
        """
        if len(self.mask) not in (1, images):
            raise AttentionError(
                f"Found {len(self.mask)} masks for {images} images. Connect one mask, or one for each image."
            )
