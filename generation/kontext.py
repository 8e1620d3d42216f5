"""Loads a FLUX.1 Kontext as a pipeline of diffusers, or builds one from the small weights of the repository."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderTiny, FlowMatchEulerDiscreteScheduler
from PIL import Image
from torch import Tensor

from ..flux.latents import pack
from ..flux.noise import SHIFT
from ..paths import TINY_MODELS
from ..training.bases.kontext import KontextBase
from ..training.tiny.autoencoder import Autoencoder
from ..training.tiny.config import T5_TOKENS
from ..training.tiny.prompts import Tokenizers
from ..training.tiny.shipped import IMAGE_SIDE, load_autoencoder
from ..training.tiny.shipped import load_kontext as load_tiny_kontext
from .pipeline import StyleKontextPipeline, nearest_size

TINY = "tiny"
PRECISIONS = {"bfloat16": torch.bfloat16, "float16": torch.float16, "float32": torch.float32}
"""Number formats of a pipeline's weights, by name."""


def load_kontext(base: str, device: str = "cpu", dtype: torch.dtype = torch.bfloat16) -> StyleKontextPipeline:
    """A pipeline of FLUX.1 Kontext.

    Args:
        base: hub name or folder in diffusers' layout; "tiny" for the small Kontext (float32).
        device: device of the weights; "offload" keeps them in main memory, and loads each part when it is used.
        dtype: precision of the weights.

    Raises:
        TrainingError: there is no pipeline, it belongs to another family, or the small weights are missing.
    """
    if base == TINY:
        pipeline = tiny_pipeline()
    else:
        KontextBase(base)  # refuses other models before their weights are read
        pipeline = StyleKontextPipeline.from_pretrained(base, torch_dtype=dtype)
    if device == "offload":
        # Under `accelerate launch` each process has a device of its own.
        own = torch.accelerator.current_device_index() if torch.accelerator.is_available() else None
        pipeline.enable_model_cpu_offload(gpu_id=own)
        return pipeline
    return pipeline.to(device)


def tiny_pipeline(models: Path = TINY_MODELS) -> StyleKontextPipeline:
    """The small Kontext as a pipeline of diffusers, in float32. Its tokenizers come from ComfyUI's folder."""
    kontext, tokenizers = load_tiny_kontext(models), Tokenizers()
    # ComfyUI always shifts the noise levels as for 1024 x 1024 pixels; diffusers shifts less for smaller images.
    scheduler = FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, base_shift=SHIFT, max_shift=SHIFT)
    clip = tokenizers.clip
    clip.model_max_length = 77
    pipeline = StyleKontextPipeline(
        scheduler=scheduler,
        vae=tiny_vae(load_autoencoder(models)),
        text_encoder=kontext.text.clip,
        tokenizer=clip,
        text_encoder_2=kontext.text.t5,
        tokenizer_2=tokenizers.t5,
        transformer=kontext.transformer,
    )
    pipeline.sizes, pipeline.text_tokens = ((IMAGE_SIDE, IMAGE_SIDE),), T5_TOKENS
    return pipeline


def tiny_vae(autoencoder: Autoencoder) -> AutoencoderTiny:
    """The small autoencoder in diffusers' class. Its latents are those that the transformer sees, without a scale."""
    vae = AutoencoderTiny(latent_channels=16).eval().requires_grad_(False)
    state = {}
    for key, weight in autoencoder.state_dict().items():
        side, _, name = key.partition(".")
        layer, _, rest = name.partition(".")
        if side == "taesd_encoder":
            state[f"encoder.layers.{name}"] = weight
        elif side == "taesd_decoder":  # diffusers has no layer for the soft clamp at the start
            state[f"decoder.layers.{int(layer) - 1}.{rest}"] = weight
    vae.load_state_dict(state)
    return vae


def kontext_noise(seed: int, width: int, height: int) -> Tensor:
    """The noise that ComfyUI draws for a seed, packed to tokens [1, N, 64], for an image of this size in pixels."""
    generator = torch.Generator().manual_seed(seed)
    return pack(torch.randn(1, 16, height // 8, width // 8, generator=generator))


def stylise_with_seed(
    pipeline: StyleKontextPipeline, photo: Image.Image, style_images: Sequence[Image.Image], seed: int, **options: Any
) -> Image.Image:
    """The photo, stylised at the trained size nearest to its proportions, with ComfyUI's noise of this seed.

    Args:
        pipeline: the pipeline with its style.
        photo: the content image.
        style_images: style images that the model sees as further references.
        seed: seed of the noise.
        options: further arguments of `StyleKontextPipeline.stylise`.
    """
    noise = kontext_noise(seed, *nearest_size(photo, pipeline.sizes))
    return pipeline.stylise(photo, style_images=style_images, latents=noise, **options).images[0]
