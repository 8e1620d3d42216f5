"""Load StyleExpert: opens an expert file and its style encoder."""

from comfy_api.latest import io

from ...moe import StyleExpert, StyleExpertError
from ...moe.config import ROUTINGS
from .. import model_folders
from ..node_base import StyleRouteNode
from ..schema import StyleExpertType, advanced, schema

IN_EXPERT_FILE = "in the expert file"
AS_FILE_SAYS = "as the file says"
STYLE_ROWS = ("0", "64")
"""Choices for the rows of the style image: ComfyUI's own position, and that of StyleExpert's release."""


class LoadStyleExpert(StyleRouteNode):
    """Opens an expert file. The weights stay on disk until a style needs them."""

    checked_by_node = frozenset({"expert", "encoder"})

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="StyleRoute_LoadStyleExpert",
            display_name="Load StyleExpert",
            description="Opens a file of style experts for FLUX.1 Kontext. It reads the file's header only; "
            "the weights of an expert are read when a style is routed to it.",
            search_aliases=[
                "style transfer",
                "style expert",
                "mixture of experts",
                "region lora",
                "style lora",
                "ipadapter",
            ],
            inputs=[
                io.Combo.Input(
                    "expert",
                    options=model_folders.routed_first(model_folders.expert_names()),
                    tooltip="The expert file, from models/style_experts: files with routed experts first, then plain "
                    "LoRAs. A RegionRoute LoRA may also be in models/loras.",
                ),
                io.Combo.Input(
                    "encoder",
                    options=[IN_EXPERT_FILE, *model_folders.encoder_names()],
                    default=IN_EXPERT_FILE,
                    tooltip="Where the style encoder is: in the expert file, "
                    "or in a separate file from models/style_encoders, as in StyleExpert's release.",
                ),
                io.Combo.Input(
                    "routing",
                    options=[AS_FILE_SAYS, *ROUTINGS],
                    default=AS_FILE_SAYS,
                    tooltip="How the outputs of the routed experts are summed. Keep 'as the file says', unless you "
                    "know that the weights were trained with the other arithmetic.",
                    **advanced(),
                ),
                io.Combo.Input(
                    "style_rows",
                    options=[AS_FILE_SAYS, *STYLE_ROWS],
                    default=AS_FILE_SAYS,
                    optional=True,
                    tooltip="For experts that were trained with the style image as a second reference: how many rows "
                    "of tokens it stands below the content image. Keep 'as the file says', unless the file does not "
                    "record it: StyleExpert's variant with the style image has 64.",
                    **advanced(),
                ),
            ],
            outputs=[
                StyleExpertType.Output("STYLE_EXPERT", tooltip="The opened experts, for Encode Style and MoE Apply.")
            ],
        )

    @classmethod
    def validate_inputs(cls, expert=None) -> bool | str:
        """Refuses a missing expert file before the workflow runs. None means that a linked node gives the value.

        ComfyUI marks every input that this method names. It checks the encoder itself, against the list of files.
        """
        try:
            _paths(expert, None)
        except StyleExpertError as error:
            return str(error)
        return True

    @classmethod
    def fingerprint_inputs(cls, expert, encoder, **_) -> str:
        """Changes with the files, so that ComfyUI opens a retrained expert again."""
        try:
            return " ".join(map(model_folders.file_state, _paths(expert, encoder)))
        except (StyleExpertError, OSError) as error:
            return str(error)

    @classmethod
    def execute(cls, expert: str, encoder: str, routing: str, style_rows: str = AS_FILE_SAYS) -> io.NodeOutput:
        path, encoder_path = model_folders.expert_path(expert), _encoder_path(encoder)
        chosen = None if routing == AS_FILE_SAYS else routing
        rows = None if style_rows == AS_FILE_SAYS else int(style_rows)
        return io.NodeOutput(StyleExpert.open(path, encoder_path=encoder_path, routing=chosen, style_rows=rows))


def _encoder_path(encoder: str | None) -> str | None:
    """The path of a separate encoder file; None if the encoder is in the expert file."""
    return None if encoder in (None, IN_EXPERT_FILE) else model_folders.encoder_path(encoder)


def _paths(expert: str | None, encoder: str | None) -> list[str]:
    """The paths of all chosen files."""
    paths = [None if expert is None else model_folders.expert_path(expert), _encoder_path(encoder)]
    return [path for path in paths if path is not None]
