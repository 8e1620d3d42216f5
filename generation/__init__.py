"""Generates images with diffusers' FluxKontextPipeline, without ComfyUI."""

from ..moe.baking import encode_style
from ..moe.lora import lora_state
from ..storage.image_tensor import read_image_tensor
from .kontext import kontext_noise, load_kontext
from .pipeline import StyleKontextPipeline
from .vision import load_vision

__all__ = [
    "StyleKontextPipeline",
    "encode_style",
    "kontext_noise",
    "load_kontext",
    "load_vision",
    "lora_state",
    "read_image_tensor",
]
