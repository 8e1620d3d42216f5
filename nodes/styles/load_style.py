"""Load Style: reads a style that Save Style wrote."""

import torch
from comfy_api.latest import io
from torch import Tensor

from ...moe import Style, StyleExpertError, load_style
from .. import model_folders
from ..node_base import StyleRouteNode
from ..schema import StyleType, schema

GREY = torch.full((1, 64, 64, 3), 0.5)
"""The image of a style without a thumbnail."""


class LoadStyle(StyleRouteNode):
    """Reads a style file."""

    checked_by_node = frozenset({"style_file"})

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="StyleRoute_LoadStyle",
            display_name="Load Style",
            description="Reads a style file from models/styles or output/styles. "
            "The style fits only experts with the style encoder that made it.",
            search_aliases=["import style", "style preset"],
            inputs=[
                io.Combo.Input(
                    "style_file",
                    options=model_folders.style_names(),
                    tooltip="The style file. Press R to list new files.",
                )
            ],
            outputs=[
                StyleType.Output("STYLE", tooltip="The style, for MoE Apply, Mix Styles and Save Style as LoRA."),
                io.Image.Output(
                    "IMAGE", tooltip="The thumbnail in the file, to recognise the style. It is grey without one."
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, style_file=None) -> bool | str:
        """Refuses a missing file before the workflow runs. None means that a linked node gives the value."""
        try:
            if style_file is not None:
                model_folders.style_path(style_file)
        except StyleExpertError as error:
            return str(error)
        return True

    @classmethod
    def fingerprint_inputs(cls, style_file, **_) -> str:
        """Changes with the file, so that ComfyUI reads a changed file again."""
        try:
            return model_folders.file_state(model_folders.style_path(style_file))
        except (StyleExpertError, OSError) as error:
            return str(error)

    @classmethod
    def execute(cls, style_file: str) -> io.NodeOutput:
        style = load_style(model_folders.style_path(style_file))
        return io.NodeOutput(style, _picture(style))


def _picture(style: Style) -> Tensor:
    """The thumbnail as an IMAGE [1, H, W, 3]."""
    return GREY if style.thumbnail is None else style.thumbnail[None].float() / 255
