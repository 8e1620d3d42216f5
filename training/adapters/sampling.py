"""Painting with a transformer under training."""

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor

from ...flux.noise import euler_sigmas
from ...flux.velocity import Reference, predict_velocity

STEPS = 20


@torch.no_grad()
def sample(transformer: torch.nn.Module, noise: Tensor, references: Sequence[Reference], text: tuple[Tensor, Tensor],
           guidance: float, steps: int = STEPS) -> Tensor:  # fmt: skip
    """Euler sampling from noise [B, 16, H, W], as ComfyUI's `euler` and `simple` make it."""
    latents = noise
    # A compiled transformer would be compiled again for whole images without gradients.
    with torch.compiler.set_stance("force_eager"):
        for now, after in itertools.pairwise(euler_sigmas(steps).tolist()):
            level = torch.full((len(noise),), now, device=noise.device)
            velocity = predict_velocity(transformer, latents, references, level, text, torch.full_like(level, guidance))
            latents = latents + (after - now) * velocity.float()
    return latents
