"""Sizes of the tiny Kontext, in the words of ComfyUI's own classes. (The vision model's are in siglip.json.)"""

import dataclasses

from comfy.ldm.flux.model import FluxParams

T5_TOKENS = 32
"""The model was trained on prompts padded to this many tokens; ComfyUI's Flux pads to 256."""

FLUX = {
    "image_model": "flux",
    "in_channels": 16,
    "out_channels": 16,
    "patch_size": 2,
    "context_in_dim": 128,
    "vec_in_dim": 64,
    "hidden_size": 256,
    "num_heads": 2,
    "mlp_ratio": 4.0,
    "depth": 3,
    "depth_single_blocks": 6,
    "axes_dim": [16, 56, 56],
    "theta": 10000,
    "qkv_bias": True,
    "guidance_embed": True,
}
if "txt_ids_dims" in {field.name for field in dataclasses.fields(FluxParams)}:
    FLUX["txt_ids_dims"] = []  # newer ComfyUI asks for it; FLUX.1's text tokens all stand at position 0

T5 = {"d_model": 128, "d_ff": 256, "d_kv": 32, "num_heads": 4, "num_layers": 2}
"""What differs from ComfyUI's T5-XXL."""

CLIP_L = {
    "hidden_size": 64,
    "intermediate_size": 256,
    "num_attention_heads": 1,
    "num_hidden_layers": 2,
    "projection_dim": 64,
}
"""What differs from ComfyUI's CLIP-L."""
