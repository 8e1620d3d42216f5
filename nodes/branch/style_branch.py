"""One style of a MODEL: its low-rank changes, its place in the image, and its part of the sampling."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from torch import Tensor

from ...moe import LowRank, StyleExpertError
from ..comfy_server import NodeText
from ..model_patching import PatchKey
from .branch_layers import BranchLayers
from .places import Place
from .token_grids import ImageWeights


@dataclass(frozen=True)
class Schedule:
    """The part of the sampling in which a style acts, as a share of the noise levels: 0 is the start, 1 the end."""

    start: float = 0.0
    end: float = 1.0


@dataclass(frozen=True, eq=False)
class StyleBranch:
    """One style at run time.

    Attributes:
        name: name of the expert file, for messages.
        layers: the low-rank changes: of one style for all images, or of one style for each image of the batch.
        strength: factor of the changes.
        place: where the style belongs; None for the whole image.
        schedule: when the style acts.
        reads_style_image: whether a reference image of the prompt belongs to this style.
        text: the text below the node that added the style.
        is_merged: whether the weights of the MODEL hold the style already, so that a prompt without it subtracts it.
    """

    name: str
    layers: tuple[BranchLayers, ...]
    strength: float = 1.0
    place: Place | None = None
    schedule: Schedule = Schedule()
    reads_style_image: bool = False
    is_merged: bool = False
    text: NodeText = field(default_factory=lambda: NodeText(None))

    def added(self, factor: float) -> float:
        """How much of the style is added to the layers' output for a prompt with this factor of all styles."""
        return factor - 1 if self.is_merged else factor

    @property
    def layers_by_image(self) -> Iterator[tuple[int | None, BranchLayers]]:
        """The low-rank changes, each with the number of its image; None means all images."""
        if len(self.layers) == 1:
            return iter([(None, self.layers[0])])
        return iter(enumerate(self.layers))

    @property
    def needs_whole_images(self) -> bool:
        """Whether a call of the model must get whole images, all of the batch: the style differs within them."""
        return self.place is not None or len(self.layers) > 1

    def require_images(self, images: int) -> None:
        """Requires that masks and styles fit the number of images in the batch.

        Raises:
            AttentionError: there is neither one mask nor one for each image.
            StyleExpertError: there is neither one style nor one for each image.
        """
        if self.place is not None:
            self.place.require_images(images)
        if len(self.layers) not in (1, images):
            raise StyleExpertError(
                f"Found {len(self.layers)} styles for {images} images. Give Encode Style one image for each image of "
                "the batch, or choose 'mean of the references' there."
            )

    def acts_with(self, masks: Mapping[str, Tensor]) -> bool:
        """Whether the style acts: its object has a mask, it needs none, or it acts in the whole image before that."""
        named = None if self.place is None else self.place.object
        return named is None or named.name in masks or named.is_everywhere_at_first

    def weights_in(self, masks: Mapping[str, Tensor]) -> ImageWeights | None:
        """The style's weights for a grid of tokens; None for the whole image.

        Args:
            masks: the mask [images, h, w] of each named object.
        """
        place = self.place
        mask = None if place is None or place.object is None else masks.get(place.object.name)
        if place is None or (place.mask is None and mask is None):
            return None
        return lambda grid: place.weights(grid, mask)


@dataclass(frozen=True, eq=False)
class MergedStyle:
    """A style that is merged into the weights of a MODEL.

    Attributes:
        name: name of the expert file, for messages.
        keys: the merged layers, with diffusers names, and their keys in the model.
        pairs: the low-rank pairs of the layers.
        strength: factor of the changes.
        reads_style_image: whether a reference image of the prompt belongs to this style.
    """

    name: str
    keys: Mapping[str, PatchKey]
    pairs: Mapping[str, LowRank]
    strength: float = 1.0
    reads_style_image: bool = False


ModelStyle = StyleBranch | MergedStyle
"""A style of a MODEL, at run time or merged."""
