"""Load StyleExpert: opens an expert file, with its style encoder."""

import os

from comfy_api.latest import io

from ...moe import StyleExpert, StyleExpertError
from ...moe.config import ROUTINGS
from .. import model_folders
from ..schema import StyleExpertType, advanced, schema

IN_EXPERT_FILE = "in the expert file"
AS_FILE_SAYS = "as the file says"


class LoadStyleExpert(io.ComfyNode):
    """Opens an expert file; its weights stay on disk until a style asks for them."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="StyleRoute_LoadStyleExpert",
            display_name="Load StyleExpert",
            description="Opens a file of style experts for FLUX.1 Kontext. Only its table of contents is read; "
            "the weights of an expert are read when a style is routed to it.",
            search_aliases=["style transfer", "style expert", "mixture of experts", "region lora"],
            inputs=[
                io.Combo.Input(
                    "expert",
                    options=model_folders.expert_names(),
                    tooltip="The expert file, from models/style_experts; "
                    "a RegionRoute LoRA may also lie in models/loras.",
                ),
                io.Combo.Input(
                    "encoder",
                    options=[IN_EXPERT_FILE, *model_folders.encoder_names()],
                    default=IN_EXPERT_FILE,
                    tooltip="Where the style encoder is: in the expert file, "
                    "or in a file of its own from models/style_encoders, as in StyleExpert's release.",
                ),
                io.Combo.Input(
                    "routing",
                    options=[AS_FILE_SAYS, *ROUTINGS],
                    default=AS_FILE_SAYS,
                    tooltip="How the routed experts are added up. Leave it as the file says, unless you know that the "
                    "weights were trained with the other arithmetic.",
                    **advanced(),
                ),
            ],
            outputs=[
                StyleExpertType.Output("STYLE_EXPERT", tooltip="The opened experts, for Encode Style and MoE Apply.")
            ],
        )

    @classmethod
    def validate_inputs(cls, expert=None, encoder=None) -> bool | str:
        """Refuses missing files before anything runs, in words; None stands for a value that comes by wire."""
        try:
            _paths(expert, encoder)
        except StyleExpertError as error:
            return str(error)
        return True

    @classmethod
    def fingerprint_inputs(cls, expert, encoder, **_) -> str:
        """Changes when a file changes, so that a retrained expert is opened anew."""
        try:
            files = [path for path in _paths(expert, encoder) if path]
            return " ".join(f"{path} {os.stat(path).st_mtime_ns} {os.stat(path).st_size}" for path in files)
        except (StyleExpertError, OSError) as error:
            return str(error)

    @classmethod
    def execute(cls, expert: str, encoder: str, routing: str) -> io.NodeOutput:
        path, encoder_path = _paths(expert, encoder)
        chosen = None if routing == AS_FILE_SAYS else routing
        return io.NodeOutput(StyleExpert.open(path, encoder_path=encoder_path, routing=chosen))


def _paths(expert: str | None, encoder: str | None) -> tuple[str | None, str | None]:
    return (
        None if expert is None else model_folders.expert_path(expert),
        None if encoder in (None, IN_EXPERT_FILE) else model_folders.encoder_path(encoder),
    )
