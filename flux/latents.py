"""Packs FLUX's latents to tokens, and gives the position of every token."""

import torch
from einops import rearrange
from torch import Tensor


def pack(latents: Tensor) -> Tensor:
    """Pack latents [B, C, H, W] to tokens [B, H/2 * W/2, C * 4]: one token per 2 x 2 latents."""
    return rearrange(latents, "b c (h p) (w q) -> b (h w) (c p q)", p=2, q=2)


def unpack(tokens: Tensor, rows: int) -> Tensor:
    """Unpack tokens [B, rows * cols, C * 4] to latents [B, C, H, W]; the inverse of `pack`."""
    return rearrange(tokens, "b (h w) (c p q) -> b c (h p) (w q)", h=rows, p=2, q=2)


def position_ids(rows: int, cols: int, index: int = 0, top: int = 0, left: int = 0) -> Tensor:
    """Positions (index, row, column) of a grid of tokens, [rows * cols, 3]; index 1 is Kontext's reference."""
    ids = torch.zeros(rows, cols, 3)
    ids[..., 0] = index
    ids[..., 1] = torch.arange(top, top + rows)[:, None]
    ids[..., 2] = torch.arange(left, left + cols)[None, :]
    return ids.reshape(-1, 3)
