"""Sizes of the small Kontext, as arguments of the libraries that build its parts."""

from typing import Any

HIDDEN = 256
"""Hidden width of the transformer."""
T5_TOKENS = 32
"""Length of a padded prompt, in T5 tokens."""

IMAGE_SIZES = ((512, 512), (384, 640), (640, 384))
"""Height and width in pixels of the whole images that the model is trained on."""

WINDOW_SIZES = ((256, 256), (384, 384))
"""Height and width in pixels of the parts of images that the model is trained on."""

GRID = 48
"""Side of the square of token positions in which a window may stand: images of up to 768 pixels."""

TRANSFORMER: dict[str, Any] = {
    "patch_size": 1,
    "in_channels": 64,
    "num_layers": 3,
    "num_single_layers": 6,
    "attention_head_dim": 128,
    "num_attention_heads": 2,
    "joint_attention_dim": 128,
    "pooled_projection_dim": 64,
    "guidance_embeds": True,
    "axes_dims_rope": (16, 56, 56),
}
"""Arguments of diffusers' FluxTransformer2DModel."""

T5: dict[str, Any] = {
    "d_model": 128,
    "d_ff": 256,
    "d_kv": 32,
    "num_heads": 4,
    "num_layers": 2,
    "vocab_size": 32128,
    "feed_forward_proj": "gated-gelu",
    "dropout_rate": 0.0,
}
"""Arguments of transformers' T5Config."""

CLIP: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 256,
    "num_attention_heads": 1,
    "num_hidden_layers": 2,
    "vocab_size": 49408,
    "max_position_embeddings": 77,
    "hidden_act": "quick_gelu",
    "projection_dim": 64,
    "bos_token_id": 49406,
    "eos_token_id": 49407,
    "pad_token_id": 49407,
}
"""Arguments of transformers' CLIPTextConfig."""

SIGLIP: dict[str, Any] = {
    "hidden_size": 192,
    "intermediate_size": 768,
    "num_attention_heads": 3,
    "num_hidden_layers": 6,
    "image_size": 128,
    "patch_size": 16,
    "hidden_act": "gelu_pytorch_tanh",
    "layer_norm_eps": 1e-5,
}
"""Arguments of transformers' SiglipVisionConfig."""

ENCODER_TAPS = (-2, -3, -5)
ENCODER_QUERIES = 4
ENCODER_WIDTH = 32
COND_DIM = len(ENCODER_TAPS) * ENCODER_QUERIES * ENCODER_WIDTH
"""Width of a style embedding: 384."""
