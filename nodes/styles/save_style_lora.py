"""Save Style as LoRA: writes a style to a plain LoRA file, for people who do not have this pack."""

import os

import folder_paths
from comfy_api.latest import io, ui

from ...moe import StyleExpert
from ...moe.baking import PRECISIONS, save_style_lora
from ..comfy_server import warn
from ..node_base import StyleRouteNode
from ..schema import StyleExpertType, advanced, schema, strength_input, style_input
from .output_file import free_path, output_prefix
from .style_reference import REMEDY, reads_style_image
from .style_types import Style

NEEDS_IMAGE = f"The LoRA needs the style image as a second reference, because its experts were trained so. {REMEDY}"


class SaveStyleLoRA(StyleRouteNode):
    """Collapses a routed style and writes it in diffusers' layout."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="StyleRoute_SaveStyleLoRA",
            display_name="Save Style as LoRA",
            description="Writes a style to a plain LoRA file. ComfyUI's Load LoRA and diffusers read it without this "
            "pack. The file goes to the output folder; Load LoRA also lists the folder output/loras.",
            search_aliases=["export lora", "bake style"],
            is_output_node=True,
            hidden=[io.Hidden.unique_id],
            inputs=[
                StyleExpertType.Input("style_expert", tooltip="The experts, from Load StyleExpert."),
                style_input(),
                io.String.Input(
                    "filename_prefix",
                    default="loras/style",
                    tooltip="The file name in the output folder, such as loras/%date:yyyy-MM-dd%. "
                    "A number and .safetensors are added.",
                ),
                strength_input("The strength that the LoRA has if it is loaded with strength 1."),
                io.Combo.Input(
                    "precision",
                    options=list(PRECISIONS),
                    default="float16",
                    optional=True,
                    tooltip="Number format of the weights: float16 halves the file size; float32 is exact.",
                    **advanced(),
                ),
            ],
            outputs=[],
        )

    @classmethod
    def execute(
        cls,
        style_expert: StyleExpert,
        filename_prefix: str,
        strength: float,
        style: Style | None = None,
        precision: str = "float16",
    ) -> io.NodeOutput:
        path = free_path(output_prefix(filename_prefix), ".safetensors")
        save_style_lora(path, style_expert, style, strength, precision)
        if reads_style_image(style_expert):
            warn(NEEDS_IMAGE + _rows_note(style_expert), cls.hidden and cls.hidden.unique_id)
        return io.NodeOutput(ui=ui.PreviewText(os.path.relpath(path, folder_paths.get_output_directory())))


def _rows_note(expert: StyleExpert) -> str:
    """The end of a message: which nodes give the style image the position of the training."""
    if not expert.style_rows:
        return ""
    return (
        f" Its style image stands {expert.style_rows} rows below the content image, which stock loaders cannot do: "
        f"load the LoRA with Load StyleExpert, style_rows {expert.style_rows}, and MoE Apply."
    )
