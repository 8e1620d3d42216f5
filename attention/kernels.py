"""Which of torch's attention kernels gives a map without the full matrix."""

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from .columns import Columns

CHUNK_ELEMENTS = 2**24
"""Scores held at once where no flash kernel is: 64 MB of float32."""


def attention_with_lse(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, scale: float
) -> tuple[Tensor, Tensor] | None:
    """Attention [B, H, R, D] and the log-sum-exp [B, H, R] of its rows from one flash call; None where there is none.

    Not differentiable in the log-sum-exp.
    """
    if q.shape[-1] != v.shape[-1] or q.dtype not in (torch.float32, torch.float64, torch.float16, torch.bfloat16):
        return None
    if q.device.type == "cpu":
        output, lse = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
            q, k, v, 0.0, False, attn_mask=_added(mask, q), scale=scale
        )
        return output, lse
    if q.device.type == "cuda" and mask is None:
        return _cuda_attention_with_lse(q, k, v, scale)
    return None


def _cuda_attention_with_lse(q: Tensor, k: Tensor, v: Tensor, scale: float) -> tuple[Tensor, Tensor] | None:
    params = torch.backends.cuda.SDPAParams(q, k, v, None, 0.0, False, False)
    if q.shape[-1] % 8 == 0 and torch.backends.cuda.can_use_flash_attention(params):
        output, lse = torch.ops.aten._scaled_dot_product_flash_attention(q, k, v, 0.0, False, False, scale=scale)[:2]
        return output, lse
    if torch.backends.cuda.can_use_efficient_attention(params):
        output, lse = torch.ops.aten._scaled_dot_product_efficient_attention(
            q, k, v, None, True, 0.0, False, scale=scale
        )[:2]
        return output, lse[:, :, : q.shape[2]]  # the kernel pads its rows
    return None


def indicator_attention(q_rows: Tensor, k: Tensor, columns: Columns, mask: Tensor | None, scale: float) -> Tensor:
    """Maps as attention whose values are the spans' indicators, [B, S, R]; differentiable through any kernel.

    One column a span. V is as wide as a head: a narrower one falls back to the full matrix.
    """
    width, spans = q_rows.shape[-1], columns.weights.shape[-1]
    groups = [_indicator(columns, first, width, k) for first in range(0, spans, width)]
    attend = _attend if q_rows.device.type in ("cpu", "cuda") else _attend_in_chunks
    maps = [attend(q_rows, k, group, mask, scale) for group in groups]  # [B, H, R, D] each
    wide = torch.promote_types(q_rows.dtype, torch.float32)
    maps = torch.cat([part.to(wide).mean(dim=1) for part in maps], dim=-1)[..., :spans]
    return (maps * columns.weights.amax(dim=1, keepdim=True)).transpose(1, 2)


def _indicator(columns: Columns, first: int, width: int, k: Tensor) -> Tensor:
    """[B, H, N, width]: 1 at the tokens of the spans from `first` on."""
    weights = columns.weights[:, :, first : first + width]
    value = k.new_zeros(len(k), k.shape[2], width)
    index = columns.index[..., None].expand_as(weights)
    value[..., : weights.shape[-1]].scatter_add_(1, index, (weights > 0).to(k.dtype))
    return value[:, None].expand(-1, k.shape[1], -1, -1)


def _attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, scale: float) -> Tensor:
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=scale)


def _attend_in_chunks(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, scale: float) -> Tensor:
    """Plain softmax over a few rows at a time; each is computed again for its gradient."""
    rows = max(1, CHUNK_ELEMENTS // (q.shape[0] * q.shape[1] * k.shape[2]))
    parts = []
    for first in range(0, q.shape[2], rows):
        part = slice(first, first + rows)
        part_mask = mask if mask is None or mask.shape[-2] == 1 else mask[..., part, :]
        parts.append(checkpoint(_softmax_attention, q[:, :, part], k, v, part_mask, scale, use_reentrant=False))
    return torch.cat(parts, dim=2)


def _softmax_attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, scale: float) -> Tensor:
    scores = (q.float() * scale) @ k.float().transpose(-1, -2)
    if (added := _added(mask, scores)) is not None:
        scores = scores + added
    return scores.softmax(dim=-1) @ v.float()


def _added(mask: Tensor | None, like: Tensor) -> Tensor | None:
    """A boolean mask as one that is added."""
    if mask is None or mask.dtype != torch.bool:
        return mask if mask is None else mask.to(like.dtype)
    return torch.zeros_like(mask, dtype=like.dtype).masked_fill_(~mask, -torch.inf)
