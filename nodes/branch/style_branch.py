"""One style of a MODEL: its low-rank changes, its place in the image, and its part of the sampling."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from ...moe import LowRank
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
        layers: the low-rank changes.
        strength: factor of the changes.
        place: where the style belongs; None for the whole image.
        schedule: when the style acts.
        reads_style_image: whether a reference image of the prompt belongs to this style.
        is_merged: whether the weights of the MODEL hold the style already, so that a prompt without it subtracts it.
    """

    name: str
    layers: BranchLayers
    strength: float = 1.0
    place: Place | None = None
    schedule: Schedule = Schedule()
    reads_style_image: bool = False
    is_merged: bool = False

    def added(self, factor: float) -> float:
        """How much of the style is added to the layers' output for a prompt with this factor of all styles."""
        return factor - 1 if self.is_merged else factor

    def is_found(self, masks: Mapping[str, Tensor]) -> bool:
        """Whether the style's place is known: its object has a mask, or it needs none."""
        return self.place is None or self.place.object is None or self.place.object.phrase in masks

    def weights_in(self, masks: Mapping[str, Tensor]) -> ImageWeights | None:
        """The style's weights for a grid of tokens; None for the whole image.

        Args:
            masks: the mask [images, h, w] of each named object.
        """
        place = self.place
        if place is None:
            return None
        mask = None if place.object is None else masks[place.object.phrase]
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
