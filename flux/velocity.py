"""The velocity that diffusers' FLUX transformer predicts from noisy latents and reference images."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .latents import pack, position_ids, unpack

STYLE_ROWS = 64
"""Offset of a style image's positions, in rows of tokens (the second variant of StyleExpert's release)."""


@dataclass(frozen=True)
class Reference:
    """Clean latents of a reference image, with their own position index.

    Attributes:
        latents: [B, C, H, W]; Kontext's content image (index 1), or the style image (index 2).
        index: first number of each token's position.
        corner: row and column, in tokens, of the latents' upper left corner.
    """

    latents: Tensor
    index: int = 1
    corner: tuple[int, int] = (0, 0)

    @classmethod
    def of_style(cls, latents: Tensor, corner: tuple[int, int] = (0, 0), rows: int = STYLE_ROWS) -> "Reference":
        """The style image, or its window at ``corner``, as a second reference whose positions start at ``rows``."""
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
        noisy: noisy latents [B, C, H, W].
        references: reference images; empty to generate from the text only.
        text: T5 states [B, N, D] and CLIP's pooled vector [B, P].
        guidance: guidance scale [B], for guidance-distilled models.
        corner: row and column, in tokens, of the window if the latents are a window of a larger image.
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


def _grid(latents: Tensor) -> tuple[int, int]:
    return latents.shape[-2] // 2, latents.shape[-1] // 2
