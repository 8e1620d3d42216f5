"""The optional inputs of MoE Apply: where, when and how it adds a style. `Placement` holds their values."""

from comfy_api.latest import io

from ...attention.selection import ALL
from ..schema import advanced
from .placement import LAYERS, METHODS


def placement_inputs() -> list[io.Input]:
    """The optional inputs of MoE Apply, in the order of saved workflows."""
    return [*_place_inputs(), *_time_inputs(), *_object_inputs()]


def _place_inputs() -> list[io.Input]:
    return [
        io.Mask.Input(
            "mask",
            optional=True,
            tooltip="The style acts where the mask is white. Any size; it covers the whole image. One mask, or one for "
            "each image.",
        ),
        io.String.Input(
            "object",
            default="",
            optional=True,
            tooltip="The style acts on this object only, found by its words: words of the positive prompt, which must "
            "come from Region Style Prompt. With a mask: the object inside the mask.",
        ),
    ]


def _time_inputs() -> list[io.Input]:
    return [
        io.Float.Input(
            "start_percent",
            default=0.0,
            min=0.0,
            max=1.0,
            step=0.01,
            optional=True,
            tooltip="The style acts from this part of the sampling on: 0 is the first step.",
            **advanced(),
        ),
        io.Float.Input(
            "end_percent",
            default=1.0,
            min=0.0,
            max=1.0,
            step=0.01,
            optional=True,
            tooltip="The style acts up to this part of the sampling: 1 is the last step.",
            **advanced(),
        ),
        io.String.Input(
            "blocks",
            default=ALL,
            optional=True,
            tooltip="The blocks that the style changes: all, middle, or for instance 'double 0-9, single'.",
            **advanced(),
        ),
        io.Combo.Input(
            "layers",
            options=list(LAYERS),
            default="all",
            optional=True,
            tooltip="The layers that the style changes: all, only attention, or only feed-forward.",
            **advanced(),
        ),
        io.Combo.Input(
            "method",
            options=list(METHODS),
            default="auto",
            optional=True,
            tooltip="patch merges the style into the weights and costs nothing per step. branch adds it at run time. "
            "auto takes branch for a mask, an object, a part of the steps, and for weights of 8 bits or less.",
            **advanced(),
        ),
    ]


def _object_inputs() -> list[io.Input]:
    return [
        io.Float.Input(
            "object_size",
            default=0.0,
            min=0.0,
            max=1.0,
            step=0.01,
            optional=True,
            tooltip="The object's share of the image; 0 finds it from the attention map.",
            **advanced(),
        ),
        io.Int.Input(
            "grow",
            default=0,
            min=-16,
            max=16,
            optional=True,
            tooltip="Makes the object's mask larger, or smaller below 0, in steps of 16 pixels.",
            **advanced(),
        ),
        io.Float.Input(
            "feather",
            default=0.5,
            min=0.0,
            max=16.0,
            step=0.1,
            optional=True,
            tooltip="Softens the edge of the object's mask, in steps of 16 pixels.",
            **advanced(),
        ),
        io.Int.Input(
            "hold_from_step",
            default=0,
            min=0,
            max=10000,
            optional=True,
            tooltip="From this step on, the object's mask no longer changes; 0 lets it change until the last step.",
            **advanced(),
        ),
    ]
