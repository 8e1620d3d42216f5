"""Save Style: writes a style to a small file to share."""

import os
from dataclasses import replace

import folder_paths
from comfy_api.latest import io, ui

from ...moe import Style, save_style
from ..node_base import StyleRouteNode
from ..schema import StyleType, schema
from .output_file import free_path, output_prefix


class SaveStyle(StyleRouteNode):
    """Writes a STYLE with its name, its thumbnail and the id of its encoder."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="StyleRoute_SaveStyle",
            display_name="Save Style",
            description="Writes a style to a file of about 25 KB to share, with a thumbnail of its style image. "
            "Load Style reads it without the style image. It fits only experts with the same style encoder.",
            search_aliases=["export style", "share style", "style preset"],
            is_output_node=True,
            inputs=[
                StyleType.Input("style", tooltip="The style, from Encode Style or Mix Styles."),
                io.String.Input(
                    "filename_prefix",
                    default="styles/style",
                    tooltip="The file name in the output folder. A number and .safetensors are added. "
                    "Load Style lists the folder output/styles.",
                ),
                io.String.Input(
                    "name",
                    default="",
                    optional=True,
                    tooltip="A name for people, stored in the file. Empty: the style's own name, or the file name.",
                ),
            ],
            outputs=[],
        )

    @classmethod
    def execute(cls, style: Style, filename_prefix: str, name: str = "") -> io.NodeOutput:
        path = free_path(output_prefix(filename_prefix), ".safetensors")
        save_style(path, replace(style, name=name.strip() or style.name))
        return io.NodeOutput(ui=ui.PreviewText(os.path.relpath(path, folder_paths.get_output_directory())))
