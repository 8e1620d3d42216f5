"""One style at run time: its low-rank changes, its place in the image, and its part of the sampling."""

from dataclasses import dataclass

from .branch_layers import BranchLayers
from .places import MaskPlace


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
    """

    name: str
    layers: BranchLayers
    strength: float = 1.0
    place: MaskPlace | None = None
    schedule: Schedule = Schedule()
    reads_style_image: bool = False
