"""Where a style belongs in the image: inside a mask, at a named object, or both."""

from dataclasses import dataclass

from torch import Tensor

from ...attention import AttentionError, resize
from .named_objects import NamedObject
from .token_grids import Grid


@dataclass(frozen=True, eq=False)
class Place:
    """The place of a style. A mask and an object together mean the object inside the mask.

    Attributes:
        mask: [1, H, W] or [images, H, W] from 0 to 1, of any size: it covers the whole image. None without a mask.
        object: the named object; None without a name.
    """

    mask: Tensor | None = None
    object: NamedObject | None = None

    def weights(self, grid: Grid, object_mask: Tensor | None) -> Tensor:
        """The weights for a grid of tokens, [1 or images, h, w]: each token gets the mean over its own area.

        Args:
            grid: (h, w).
            object_mask: [images, h', w'], the object's mask so far; None without an object.
        """
        parts = [part for part in (self.mask, object_mask) if part is not None]
        first, *others = (resize(part.float(), grid).clamp(0, 1) for part in parts)
        for other in others:
            first = first * other
        return first

    def require_images(self, images: int) -> None:
        """Requires one mask, or one for each image.

        Raises:
            AttentionError: the number of masks is another one.
        """
        if self.mask is not None and len(self.mask) not in (1, images):
            raise AttentionError(
                f"Found {len(self.mask)} masks for {images} images. Connect one mask, or one for each image."
            )
