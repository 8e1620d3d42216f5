"""diffusers' Flux with random weights, and inputs for it."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from diffusers import FluxTransformer2DModel
from torch import Tensor

from ..flux.velocity import Reference, predict_velocity

WEIGHT_SCALE = 0.02
"""Standard deviation of the random weights."""
TEXT_TOKENS = 128


def random_transformer(sizes: Mapping[str, Any], device: str = "cpu") -> FluxTransformer2DModel:
    """A Flux with random weights: in bfloat16 on a graphics card, in float32 on a CPU.

    Args:
        sizes: sizes of the transformer, as diffusers names them.
        device: a torch device.
    """
    with torch.device("meta"):
        model = FluxTransformer2DModel(**sizes)
    model = (model if device == "cpu" else model.to(torch.bfloat16)).to_empty(device=device)
    generator = torch.Generator(device).manual_seed(0)
    for weight in model.parameters():
        weight.data.normal_(0, WEIGHT_SCALE, generator=generator)
    return model.requires_grad_(False)


def with_the_weights_of(model: FluxTransformer2DModel) -> FluxTransformer2DModel:
    """Another Flux whose weights are the same tensors, so that it needs no memory of its own."""
    with torch.device("meta"):
        twin = FluxTransformer2DModel.from_config(model.config)
    twin.load_state_dict(model.state_dict(), assign=True)
    return twin.requires_grad_(False)


def autocast(device: str) -> AbstractContextManager:
    """Computes in bfloat16 on a graphics card, in the weights' own dtype on a CPU."""
    return nullcontext() if device == "cpu" else torch.autocast(device, torch.bfloat16)


def random_latents(batch: int, cells: int, device: str = "cpu") -> tuple[Tensor, Tensor]:
    """Latents of the image and of its reference, each [batch, 16, cells, cells]."""
    latents, reference = torch.randn(2, batch, 16, cells, cells, device=device)
    return latents, reference


def velocity_of(model: FluxTransformer2DModel, latents: Tensor, reference: Tensor) -> Callable[[], Tensor]:
    """A function that predicts the velocity once, with random text."""
    batch, device = len(latents), latents.device
    text = (
        torch.randn(batch, TEXT_TOKENS, model.config.joint_attention_dim, device=device),
        torch.randn(batch, model.config.pooled_projection_dim, device=device),
    )
    level = torch.full((batch,), 0.5, device=device)
    return lambda: predict_velocity(model, latents, [Reference(reference)], level, text, level)


def finish(device: str) -> None:
    """Wait until the device has finished its work."""
    if device == "cuda":
        torch.cuda.synchronize()
