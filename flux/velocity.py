"""The velocity that diffusers' FLUX transformer predicts, with reference images beside the noisy latents."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .latents import pack, position_ids, unpack

STYLE_ROWS = 64
"""Rows that the position of a style image's latents is moved down by (StyleExpert's release, its second variant)."""


@dataclass(frozen=True)
class Reference:
    """Clean latents [B, C, H, W] beside the noisy ones, at a position index of their own.

    Attributes:
        latents: Kontext's content image (index 1), or the style image (index 2).
        index: first number of the position.
        corner: row and column, in tokens, of the latents' upper left corner.
    """

    latents: Tensor
    index: int = 1
    corner: tuple[int, int] = (0, 0)

    @classmethod
    def of_style(cls, latents: Tensor, corner: tuple[int, int] = (0, 0), rows: int = STYLE_ROWS) -> "Reference":
        """The style image, or its window at ``corner``, as a second reference, moved down by ``rows``."""
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
        corner: row and column, in tokens, of a window of a larger image.
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
