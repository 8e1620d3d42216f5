"""Flow matching on packed latents, with FLUX's token and noise conventions."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor, nn

CHANGED = 0.25
"""Mean absolute difference of latents from which a cell counts as changed; the small Kontext's have unit variance."""

SHIFT = 1.15
"""ComfyUI's noise shift for FLUX (``ModelSamplingFlux``'s default mu)."""


STYLE_ROWS = 64
"""Rows that the position of a style picture's latents is moved down by (StyleExpert's release, its second variant)."""


@dataclass(frozen=True)
class Reference:
    """Clean latents [B, C, H, W] beside the noisy ones, at a position index of their own.

    Attributes:
        latents: Kontext's content picture (index 1), or the style picture (index 2).
        index: first number of the position.
        corner: row and column, in tokens, of the latents' upper left corner.
    """

    latents: Tensor
    index: int = 1
    corner: tuple[int, int] = (0, 0)

    @classmethod
    def of_style(cls, latents: Tensor, corner: tuple[int, int] = (0, 0), rows: int = STYLE_ROWS) -> "Reference":
        """The style picture, or its window at ``corner``, as a second reference, moved down by ``rows``."""
        return cls(latents, index=2, corner=(rows + corner[0], corner[1]))


def predict_velocity(
    transformer: nn.Module,
    noisy: Tensor,
    references: Sequence[Reference],
    sigma: Tensor,
    text: tuple[Tensor, Tensor],
    guidance: Tensor,
    corner: tuple[int, int] = (0, 0),
) -> Tensor:
    """Velocity [B, C, H, W] of diffusers' FLUX transformer at noise level ``sigma`` [B].

    Args:
        noisy: latents [B, C, H, W] under way.
        references: what stands beside them; none to paint from the text alone.
        text: T5 states [B, N, D] and CLIP's pooled vector [B, P].
        guidance: guidance scale [B], for models that are distilled for it.
        corner: row and column, in tokens, of a window of a larger picture.
    """
    rows, cols = noisy.shape[-2] // 2, noisy.shape[-1] // 2
    parts = [Reference(noisy, 0, corner), *references]
    tokens = torch.cat([pack(part.latents) for part in parts], dim=1)
    ids = [position_ids(*_grid(part.latents), part.index, *part.corner) for part in parts]
    states, pooled = text
    output = transformer(
        hidden_states=tokens, encoder_hidden_states=states, pooled_projections=pooled, timestep=sigma,
        img_ids=torch.cat(ids).to(tokens.device), txt_ids=torch.zeros(states.shape[1], 3, device=tokens.device),
        guidance=guidance, return_dict=False,
    )[0]  # fmt: skip
    return unpack(output[:, : rows * cols], rows)


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


def _grid(latents: Tensor) -> tuple[int, int]:
    return latents.shape[-2] // 2, latents.shape[-1] // 2


def shift_sigma(time: Tensor, mu: float = SHIFT) -> Tensor:
    """FLUX's shift of uniform times in 0..1 towards noise: e^mu / (e^mu + 1/t - 1)."""
    return math.exp(mu) / (math.exp(mu) + (1 / time.clamp_min(1e-4) - 1))


def sampler_sigmas(count: int, generator: torch.Generator | None = None, least_time: float = 0.0) -> Tensor:
    """Noise levels [count], as ComfyUI's ``simple`` scheduler visits them: uniform times shifted, one a stratum.

    Args:
        least_time: the times lie from here to 1, where the sampler begins.
    """
    time = (torch.arange(count) + torch.rand(count, generator=generator)) / count
    time = least_time + (1 - least_time) * time
    return shift_sigma(time[torch.randperm(count, generator=generator)])


def add_noise(clean: Tensor, noise: Tensor, sigma: Tensor) -> Tensor:
    """x_t = (1 - sigma) x_0 + sigma noise; ``sigma`` is [B]."""
    level = sigma.view(-1, *[1] * (clean.dim() - 1))
    return (1 - level) * clean + level * noise


def weigh_changed(error: Tensor, target: Tensor, original: Tensor, weight: float) -> Tensor:
    """Mean of a squared error where cells that the target changes weigh more: a small object is not drowned.

    What is best for a cell does not depend on its weight, so that the optimum stays.

    Args:
        error: [B, H, W], averaged over the channels.
        target, original: latents [B, C, H, W]; a cell is changed where they differ by CHANGED on average.
        weight: of changed cells, 1 being that of the others.
    """
    changed = (target - original).abs().mean(1) > CHANGED
    weights = 1 + (weight - 1) * changed
    return (error * weights).sum() / weights.sum()


def euler_sigmas(steps: int) -> Tensor:
    """The ``simple`` schedule: ``steps`` falling noise levels and a final zero, [steps + 1]."""
    return torch.cat([shift_sigma(torch.linspace(1, 1 / steps, steps)), torch.zeros(1)])
