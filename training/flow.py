"""Flow matching on packed latents, with FLUX's token and noise conventions."""

import math

import torch
from einops import rearrange
from torch import Tensor

SHIFT = 1.15
"""ComfyUI's noise shift for FLUX (``ModelSamplingFlux``'s default mu)."""


def pack(latents: Tensor) -> Tensor:
    """[B, C, H, W] -> tokens [B, H/2 * W/2, C * 4]."""
    return rearrange(latents, "b c (h p) (w q) -> b (h w) (c p q)", p=2, q=2)


def unpack(tokens: Tensor, rows: int) -> Tensor:
    """Tokens [B, rows * cols, C * 4] -> [B, C, H, W]."""
    return rearrange(tokens, "b (h w) (c p q) -> b c (h p) (w q)", h=rows, p=2, q=2)


def position_ids(rows: int, cols: int, index: int = 0, top: int = 0, left: int = 0) -> Tensor:
    """Positions (index, row, column) of a grid of tokens, [rows * cols, 3]; index 1 is Kontext's reference."""
    ids = torch.zeros(rows, cols, 3)
    ids[..., 0] = index
    ids[..., 1] = torch.arange(top, top + rows)[:, None]
    ids[..., 2] = torch.arange(left, left + cols)[None, :]
    return ids.reshape(-1, 3)


def shift_sigma(time: Tensor, mu: float = SHIFT) -> Tensor:
    """FLUX's shift of uniform times in 0..1 towards noise: e^mu / (e^mu + 1/t - 1)."""
    return math.exp(mu) / (math.exp(mu) + (1 / time.clamp_min(1e-4) - 1))


def sampler_sigmas(count: int, generator: torch.Generator | None = None) -> Tensor:
    """Noise levels [count], as ComfyUI's ``simple`` scheduler visits them: uniform times shifted, one a stratum."""
    time = (torch.arange(count) + torch.rand(count, generator=generator)) / count
    return shift_sigma(time[torch.randperm(count, generator=generator)])


def add_noise(clean: Tensor, noise: Tensor, sigma: Tensor) -> Tensor:
    """x_t = (1 - sigma) x_0 + sigma noise; ``sigma`` is [B]."""
    level = sigma.view(-1, *[1] * (clean.dim() - 1))
    return (1 - level) * clean + level * noise


def euler_sigmas(steps: int) -> Tensor:
    """The ``simple`` schedule: ``steps`` falling noise levels and a final zero, [steps + 1]."""
    return torch.cat([shift_sigma(torch.linspace(1, 1 / steps, steps)), torch.zeros(1)])
