"""Inputs that RegionRoute Sampler, Capture Attention and Attention Map Preview have in common."""

from comfy_api.latest import io

from ...attention.selection import ALL
from ..schema import advanced
from .recorded_maps import KEEP
from .region_spans import ROLES


def region_input() -> io.Input:
    """Whose maps make the region."""
    return io.Combo.Input(
        "region",
        options=list(ROLES),
        default="style",
        tooltip="Whose maps make the region: those of the style's words, which region experts are trained to place, "
        "those of the object's words, or both together.",
    )


def capture_inputs(blocks: str = ALL, told: str = "all") -> list[io.Input]:
    """Which maps are captured, and what is kept of them.

    Args:
        blocks: the default of that input.
        told: its words, besides none and names, for the tooltip.
    """
    return [
        io.String.Input(
            "blocks",
            default=blocks,
            optional=True,
            tooltip=f"Blocks of the model whose maps are captured, counted from 0: {told}, none, "
            "or for instance 'double 5-12, single 0-9'.",
            **advanced(),
        ),
        io.String.Input(
            "capture_steps",
            default=ALL,
            optional=True,
            tooltip="Steps whose maps are captured, counted from 0: all, or for instance '0-9, 19'.",
            **advanced(),
        ),
        io.Combo.Input(
            "keep",
            options=list(KEEP),
            default=KEEP[0],
            optional=True,
            tooltip="Which maps stay apart, so that Attention Map Preview can show 'each' or the 'last' of them: every "
            "step and block, steps only, blocks only, or one mean of all. Means take no memory.",
            **advanced(),
        ),
    ]
