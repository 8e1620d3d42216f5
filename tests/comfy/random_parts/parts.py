"""Small models of ComfyUI's own classes with random weights, and expert files that fit them."""

import dataclasses
import json
from pathlib import Path

import comfy.model_management
import comfy.supported_models
import comfy.supported_models_base
import comfy.text_encoders.flux
import comfy.text_encoders.sd3_clip
import torch
from comfy.clip_vision import ClipVisionModel
from comfy.ldm.flux.model import FluxParams
from comfy.model_patcher import ModelPatcher
from comfy.sd import CLIP

HIDDEN, CONTEXT, VECTOR = 128, 32, 16
FLUX = {
    "image_model": "flux",
    "in_channels": 16,
    "out_channels": 16,
    "patch_size": 2,
    "vec_in_dim": VECTOR,
    "context_in_dim": CONTEXT,
    "hidden_size": HIDDEN,
    "mlp_ratio": 4.0,
    "num_heads": 1,
    "depth": 1,
    "depth_single_blocks": 2,
    "axes_dim": [16, 56, 56],
    "theta": 10000,
    "qkv_bias": True,
    "guidance_embed": True,
}
if "txt_ids_dims" in {field.name for field in dataclasses.fields(FluxParams)}:
    FLUX["txt_ids_dims"] = []  # newer ComfyUI needs it; all text tokens of FLUX.1 have position 0
SD15 = {
    "image_size": 32,
    "in_channels": 4,
    "out_channels": 4,
    "model_channels": 32,
    "num_res_blocks": [1, 1],
    "transformer_depth": [1, 0],
    "transformer_depth_output": [1, 1, 0, 0],
    "transformer_depth_middle": 1,
    "channel_mult": [1, 2],
    "num_heads": 2,
    "num_head_channels": -1,
    "use_spatial_transformer": True,
    "context_dim": 16,
    "legacy": False,
    "adm_in_channels": None,
    "use_linear_in_transformer": False,
    "use_temporal_attention": False,
}
SIGLIP = {
    "model_type": "siglip_vision_model",
    "num_channels": 3,
    "hidden_act": "gelu_pytorch_tanh",
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_attention_heads": 2,
    "num_hidden_layers": 3,
    "image_size": 32,
    "patch_size": 16,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
}
TEXT_TOKENS = 24
T5_TEXT = {"d_model": CONTEXT, "d_ff": 32, "d_kv": 16, "num_heads": 2, "num_layers": 1}
CLIP_L_TEXT = {
    "hidden_size": VECTOR,
    "intermediate_size": 32,
    "num_attention_heads": 1,
    "num_hidden_layers": 1,
    "projection_dim": VECTOR,
}
CLIP_L = SIGLIP | {"model_type": "clip_vision_model", "hidden_act": "quick_gelu", "projection_dim": 16}


def random_weights(network: torch.nn.Module, seed: int = 0) -> None:
    """Sets random weights, because ComfyUI's layers have no initial values."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in network.named_parameters():
        is_norm = parameter.ndim == 1 and "norm" in name and not name.endswith("bias")
        noise = torch.randn(parameter.shape, generator=generator) * 0.05
        parameter.data = (1 + noise if is_norm else noise).to(parameter.dtype)


def random_model(family: str, unet_config: dict) -> ModelPatcher:
    """A diffusion model of `comfy.supported_models`, float32, on the CPU."""
    config = getattr(comfy.supported_models, family)(dict(unet_config))
    config.set_inference_dtype(torch.float32, None)
    model = config.get_model({}, "")
    random_weights(model.diffusion_model)
    model.diffusion_model.eval()
    return ModelPatcher(model, load_device=torch.device("cpu"), offload_device=torch.device("cpu"))


def random_vision(config: dict, folder: Path) -> ClipVisionModel:
    """A CLIP_VISION; its class reads the configuration from a file."""
    file = folder / f"{config['model_type']}.json"
    file.write_text(json.dumps(config))
    vision = ClipVisionModel(str(file))
    random_weights(vision.model, seed=1)
    return vision


def random_conditioning() -> list:
    """A CONDITIONING in the form that the text encoders return."""
    generator = torch.Generator().manual_seed(2)
    pooled = torch.randn(1, VECTOR, generator=generator)
    return [[torch.randn(1, 7, CONTEXT, generator=generator), {"pooled_output": pooled, "guidance": 3.5}]]


def random_clip() -> CLIP:
    """FLUX.1's two text encoders with their real tokenizers; prompts are padded to TEXT_TOKENS."""
    target = comfy.supported_models_base.ClipTarget(
        comfy.text_encoders.flux.FluxTokenizer, comfy.text_encoders.flux.flux_clip()
    )
    configs = {"t5xxl_model_config": dict(T5_TEXT), "clip_l_model_config": dict(CLIP_L_TEXT)}
    clip = CLIP(target, model_options={"dtype": torch.float32, **configs})
    random_weights(clip.cond_stage_model, seed=3)
    clip.set_tokenizer_option("t5xxl_min_length", TEXT_TOKENS)
    return clip


def random_sd3_clip() -> CLIP:
    """The same two files as DualCLIPLoader loads them with type sd3: CLIP-L's tokens stand before T5's."""
    family, width = comfy.text_encoders.sd3_clip, 4096
    target = comfy.supported_models_base.ClipTarget(
        family.SD3Tokenizer, family.sd3_clip(clip_l=True, clip_g=False, t5=True)
    )
    configs = {
        "t5xxl_model_config": T5_TEXT | {"d_model": width},
        "clip_l_model_config": CLIP_L_TEXT | {"num_hidden_layers": 3},
    }
    clip = CLIP(target, model_options={"dtype": torch.float32, **configs})
    words = clip.cond_stage_model.t5xxl.transformer.shared  # one row for all words; separate rows take 500 MB
    words.weight = torch.nn.Parameter(torch.zeros(1, width).expand(len(words.weight), -1), requires_grad=False)
    return clip
