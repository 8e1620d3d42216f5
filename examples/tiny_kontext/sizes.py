"""Sizes of the small Kontext, with the names of ComfyUI's own classes. (siglip.json has the vision model's.)"""

import dataclasses

from comfy.ldm.flux.model import FluxParams

T5_TOKENS = 32
"""Number of tokens to which training padded the prompts. ComfyUI's Flux pads to 256."""

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
    FLUX["txt_ids_dims"] = []  # newer ComfyUI needs it; all text tokens of FLUX.1 have position 0

T5 = {"d_model": 128, "d_ff": 256, "d_kv": 32, "num_heads": 4, "num_layers": 2}
"""Sizes that differ from ComfyUI's T5-XXL."""

CLIP_L = {
    "hidden_size": 64,
    "intermediate_size": 256,
    "num_attention_heads": 1,
    "num_hidden_layers": 2,
    "projection_dim": 64,
}
"""Sizes that differ from ComfyUI's CLIP-L."""
