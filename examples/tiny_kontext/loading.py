"""Builds the small Kontext from ComfyUI's own classes, in float32.

The sizes are given, because ComfyUI 0.3.75 assumes 24 heads for every Flux and the size XXL for every T5.
"""

import os
from collections.abc import Iterable
from pathlib import Path

import comfy.model_management
import comfy.supported_models
import comfy.supported_models_base
import comfy.text_encoders.flux
import comfy.utils
import torch
from comfy.clip_vision import ClipVisionModel
from comfy.model_patcher import ModelPatcher
from comfy.sd import CLIP, VAE
from torch import Tensor

from .errors import TinyKontextError
from .preview import set_preview
from .sizes import CLIP_L, FLUX, T5, T5_TOKENS

HERE = Path(__file__).parent
MODELS_VARIABLE = "TINY_KONTEXT_MODELS"
DTYPE = torch.float32


def models_folder() -> Path:
    """The folder of the weights: the pack's own, or the one in the environment variable TINY_KONTEXT_MODELS."""
    return Path(os.environ.get(MODELS_VARIABLE) or HERE / "models")


def load_model() -> ModelPatcher:
    """Loads the MODEL from transformer.safetensors, and the colours of its live preview from vae.safetensors."""
    state = _read("transformer.safetensors")
    config = comfy.supported_models.Flux(dict(FLUX))
    config.set_inference_dtype(DTYPE, None)
    model = config.get_model(state, "")
    named_for_this_version = config.process_unet_state_dict(state)
    _require_keys("transformer.safetensors", model.diffusion_model.state_dict(), named_for_this_version)
    model.load_model_weights(state, "")
    set_preview(model.latent_format, models_folder() / "vae.safetensors")
    return ModelPatcher(
        model,
        load_device=comfy.model_management.get_torch_device(),
        offload_device=comfy.model_management.unet_offload_device(),
    )


def load_clip() -> CLIP:
    """Loads the CLIP from t5.safetensors and clip_l.safetensors: small encoders with the real tokenizers."""
    t5, clip_l = _read("t5.safetensors"), _read("clip_l.safetensors")
    # FLUX takes the pooled state before the projection, but ComfyUI computes the projection too and drops it.
    clip_l.setdefault("text_projection.weight", torch.eye(CLIP_L["projection_dim"]))
    target = comfy.supported_models_base.ClipTarget(
        comfy.text_encoders.flux.FluxTokenizer, comfy.text_encoders.flux.flux_clip()
    )
    options = {"dtype": DTYPE, "t5xxl_model_config": dict(T5), "clip_l_model_config": dict(CLIP_L)}
    clip = CLIP(target, model_options=options)
    encoders = clip.cond_stage_model
    for name, encoder, state in (("t5", encoders.t5xxl, t5), ("clip_l", encoders.clip_l, clip_l)):
        _require_keys(f"{name}.safetensors", encoder.transformer.state_dict(), state)
        clip.load_sd(state)
    clip.set_tokenizer_option("t5xxl_min_length", T5_TOKENS)
    return clip


def load_vae() -> VAE:
    """Loads the VAE from vae.safetensors with ComfyUI's stock loader."""
    state = _read("vae.safetensors")
    _require_keys("vae.safetensors", ("taesd_encoder.0.weight", "taesd_decoder.1.weight"), state)
    vae = VAE(sd=dict(state), dtype=DTYPE)
    _require_keys("vae.safetensors", vae.first_stage_model.state_dict(), state)
    return vae


def load_clip_vision() -> ClipVisionModel:
    """Loads the CLIP_VISION, a small SigLIP, from siglip.safetensors."""
    state = _read("siglip.safetensors")
    vision = ClipVisionModel(str(HERE / "siglip.json"))
    vision.model.to(DTYPE)
    _require_keys("siglip.safetensors", vision.model.state_dict(), state)
    vision.load_sd(state)
    return vision


def _read(name: str) -> dict[str, Tensor]:
    """Reads the tensors of a file in the models folder, in float32."""
    file = models_folder() / name
    if not file.is_file():
        raise TinyKontextError(
            f"The small Kontext's weights {name} were not found in {file.parent}. Download them with the repository, "
            "or train them with `styleroute train tiny --models FOLDER`."
        )
    return {key: tensor.to(DTYPE) for key, tensor in comfy.utils.load_torch_file(str(file), safe_load=True).items()}


def _require_keys(file: str, expected: Iterable[str], state: dict[str, Tensor]) -> None:
    missing = [key for key in expected if key not in state]
    if missing:
        raise TinyKontextError(
            f"{models_folder() / file} is not a file of the small Kontext: it lacks {len(missing)} weights "
            f"({', '.join(missing[:3])}{' ...' if missing[3:] else ''}). Download the file again, or train it with "
            "`styleroute train tiny --models FOLDER`."
        )
