"""FLUX's noise schedule for flow matching."""

import math

import torch
from torch import Tensor

SHIFT = 1.15
"""ComfyUI's noise shift for FLUX (``ModelSamplingFlux``'s default mu)."""


def shift_sigma(time: Tensor, mu: float = SHIFT) -> Tensor:
    """Shift uniform times in 0..1 towards noise, as FLUX does: e^mu / (e^mu + 1/t - 1)."""
    return math.exp(mu) / (math.exp(mu) + (1 / time.clamp_min(1e-4) - 1))


def sampler_sigmas(count: int, generator: torch.Generator | None = None, least_time: float = 0.0) -> Tensor:
    """Random noise levels [count], distributed like those of ComfyUI's ``simple`` scheduler.

    Uniform times are drawn with one time per stratum, and then shifted.

    Args:
        least_time: lower limit of the times; the upper limit is 1, where the sampler starts.
    """
    time = (torch.arange(count) + torch.rand(count, generator=generator)) / count
    time = least_time + (1 - least_time) * time
    return shift_sigma(time[torch.randperm(count, generator=generator)])


def add_noise(clean: Tensor, noise: Tensor, sigma: Tensor) -> Tensor:
    """x_t = (1 - sigma) x_0 + sigma noise; ``sigma`` is [B]."""
    level = sigma.view(-1, *[1] * (clean.dim() - 1))
    return (1 - level) * clean + level * noise


def euler_sigmas(steps: int) -> Tensor:
    """The ``simple`` schedule: ``steps`` decreasing noise levels and a final zero, [steps + 1]."""
    return torch.cat([shift_sigma(torch.linspace(1, 1 / steps, steps)), torch.zeros(1)])
