"""Inputs that RegionRoute Sampler and Capture Attention have in common."""

from comfy_api.latest import io

from ...attention.selection import ALL
from ..schema import advanced
from .recorded_maps import KEEP
from .region_spans import ROLES


def region_input() -> io.Input:
    """The choice of the phrases whose maps define the region."""
    return io.Combo.Input(
        "region",
        options=list(ROLES),
        default="style",
        tooltip="The phrases whose maps define the region: style (region experts are trained to find the region with "
        "it), object, or both.",
    )


def capture_inputs(blocks: str = ALL, keywords: str = "all") -> list[io.Input]:
    """The choice of the captured blocks and steps, and of the maps that are kept.

    Args:
        blocks: default value of the input "blocks".
        keywords: the keywords that "blocks" accepts besides none, for its tooltip.
    """
    return [
        io.String.Input(
            "blocks",
            default=blocks,
            optional=True,
            tooltip=f"Blocks of the model to capture, counted from 0: {keywords}, none, "
            "or for instance 'double 5-12, single 0-9'.",
            **advanced(),
        ),
        io.String.Input(
            "capture_steps",
            default=ALL,
            optional=True,
            tooltip="Steps to capture, counted from 0: all, or for instance '0-9, 19'.",
            **advanced(),
        ),
        io.Combo.Input(
            "keep",
            options=list(KEEP),
            default=KEEP[0],
            optional=True,
            tooltip="Maps that are kept separately, so that Attention Map Preview can show 'each' or the 'last' one: "
            "every step and block, steps only, blocks only, or one mean of all. Means take no memory.",
            **advanced(),
        ),
    ]
