"""What ComfyUI registers: the model folders and the nodes."""

from comfy_api.latest import ComfyExtension, io

from .guidance.style_guider import StyleGuider
from .maps.attention_map_preview import AttentionMapPreview
from .maps.capture_attention import CaptureAttention
from .model_folders import register_model_folders
from .regions.region_prompt import RegionPrompt
from .regions.region_sampler import RegionRouteSampler
from .styles.encode_style import EncodeStyle
from .styles.load_style import LoadStyle
from .styles.load_style_expert import LoadStyleExpert
from .styles.mix_styles import MixStyles
from .styles.moe_apply import MoEApply
from .styles.routing_preview import RoutingPreview
from .styles.save_style import SaveStyle
from .styles.save_style_lora import SaveStyleLoRA
from .styles.style_references import StyleReferences

NODES: list[type[io.ComfyNode]] = [
    LoadStyleExpert,
    EncodeStyle,
    MixStyles,
    SaveStyle,
    LoadStyle,
    StyleReferences,
    MoEApply,
    StyleGuider,
    RoutingPreview,
    SaveStyleLoRA,
    RegionPrompt,
    RegionRouteSampler,
    CaptureAttention,
    AttentionMapPreview,
]


class StyleRouteExtension(ComfyExtension):
    """Registers the model folders and returns the nodes."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        # ComfyUI 0.3.75 does not call `on_load`, so the folders are registered here.
        register_model_folders()
        return NODES
