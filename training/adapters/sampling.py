"""Sampling with a transformer during its training."""

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor

from ...flux.noise import euler_sigmas
from ...flux.velocity import Reference, predict_velocity

STEPS = 20
"""Euler steps of a validation image."""


@torch.no_grad()
def sample(transformer: torch.nn.Module, noise: Tensor, references: Sequence[Reference], text: tuple[Tensor, Tensor],
           guidance: float, steps: int = STEPS) -> Tensor:  # fmt: skip
    """Latents [B, 16, H, W] by Euler sampling from noise of that shape, as with ComfyUI's `euler` and `simple`."""
    latents = noise
    # A compiled transformer would compile again for whole images without gradients.
    with torch.compiler.set_stance("force_eager"):
        for now, after in itertools.pairwise(euler_sigmas(steps).tolist()):
            level = torch.full((len(noise),), now, device=noise.device)
            velocity = predict_velocity(transformer, latents, references, level, text, torch.full_like(level, guidance))
            latents = latents + (after - now) * velocity.float()
    return latents
