"""What ComfyUI registers: the model folders and the nodes."""

from comfy_api.latest import ComfyExtension, io

from .attention_map_preview import AttentionMapPreview
from .capture_attention import CaptureAttention
from .encode_style import EncodeStyle
from .load_style_expert import LoadStyleExpert
from .model_folders import register_model_folders
from .moe_apply import MoEApply
from .region_prompt import RegionPrompt
from .region_sampler import RegionRouteSampler
from .routing_preview import RoutingPreview
from .save_style_lora import SaveStyleLoRA

NODES: list[type[io.ComfyNode]] = [
    LoadStyleExpert,
    EncodeStyle,
    MoEApply,
    RoutingPreview,
    SaveStyleLoRA,
    RegionPrompt,
    RegionRouteSampler,
    CaptureAttention,
    AttentionMapPreview,
]


class StyleRouteExtension(ComfyExtension):
    """The pack, as ComfyUI sees it."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        # Here and not in `on_load`, which ComfyUI 0.3.75 does not call.
        register_model_folders()
        return NODES
