"""Attention kernels of torch that never hold the full matrix: what each returns, and on which device it runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

CHUNK_ELEMENTS = 2**24
"""Upper limit for the scores in memory where no fused kernel exists: 2**24 numbers, 64 MiB in float32."""

CPU_KERNEL = "_scaled_dot_product_flash_attention_for_cpu"
FLASH_KERNEL = "_scaled_dot_product_flash_attention"
EFFICIENT_KERNEL = "_scaled_dot_product_efficient_attention"

aten = torch.ops.aten


@cache
def has_kernel(name: str, device: str) -> bool:
    """Whether this build of torch has the kernel `name` of `torch.ops.aten` for a type of device."""
    if not hasattr(aten, name):
        return False
    return torch._C._dispatch_has_kernel_for_dispatch_key(f"aten::{name}", device.upper())


@contextmanager
def without_autocast(*tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Cast the tensors to autocast's precision, and turn autocast off within the `with` block.

    Autocast does not cast for a kernel that is called by its own name. It would also cast the float32 scores of a span.
    """
    device = tensors[0].device.type
    if not (torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)):
        yield tensors
        return
    dtype = torch.get_autocast_dtype(device)
    with torch.autocast(device, enabled=False):
        yield tuple(tensor if tensor.dtype == torch.float64 else tensor.to(dtype) for tensor in tensors)


def attention_with_lse(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, scale: float
) -> tuple[Tensor, Tensor] | None:
    """Attention [B, H, R, D] and the log-sum-exp [B, H, R] of its rows, from one kernel call.

    The log-sum-exp has no gradient: torch has no formula for it.

    Args:
        q: [B, H, R, D]; k, v: [B, H, N, D].
        mask: [1 or B, 1 or H, 1 or R, N], boolean or added to the scores; None: no key is masked.

    Returns:
        None if no kernel of this device returns both.
    """
    if v.shape != k.shape or any(tensor.stride(-1) != 1 for tensor in (q, k, v)):
        return None
    if q.device.type == "cpu" and has_kernel(CPU_KERNEL, "cpu"):
        added = added_mask(mask, q.dtype)
        return aten._scaled_dot_product_flash_attention_for_cpu(q, k, v, attn_mask=added, scale=scale)
    # On AMD cards some versions of torch return the log-sum-exp to the base 2.
    if q.device.type == "cuda" and mask is None and torch.version.hip is None:
        return _attention_with_lse_on_cuda(q, k, v, scale)
    return None


def _attention_with_lse_on_cuda(q: Tensor, k: Tensor, v: Tensor, scale: float) -> tuple[Tensor, Tensor] | None:
    """Call the first kernel that torch allows for this card, these sizes and the user's settings."""
    params, kernels = _sdpa_params(q, k, v, None), torch.backends.cuda
    has_flash = q.shape[-1] % 8 == 0 and has_kernel(FLASH_KERNEL, "cuda")
    if has_flash and kernels.can_use_flash_attention(params):
        return aten._scaled_dot_product_flash_attention(q, k, v, scale=scale)[:2]
    if has_kernel(EFFICIENT_KERNEL, "cuda") and kernels.can_use_efficient_attention(params):
        output, lse = aten._scaled_dot_product_efficient_attention(q, k, v, None, True, scale=scale)[:2]
        return output, lse[..., : q.shape[2]]  # the kernel pads the rows
    return None


def has_fused_kernel(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> bool:
    """Whether torch's attention has a kernel for these tensors that never holds the full matrix."""
    device = q.device.type
    if device == "cpu":
        return has_kernel(CPU_KERNEL, device)
    return device == "cuda" and _has_fused_kernel_on_cuda(q, k, v, mask)


def _has_fused_kernel_on_cuda(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> bool:
    """Whether a card that torch calls "cuda" has such a kernel; some AMD cards have none."""
    params = _sdpa_params(q, k, v, mask)
    kernels = torch.backends.cuda
    return kernels.can_use_flash_attention(params) or kernels.can_use_efficient_attention(params)


def _sdpa_params(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> torch.backends.cuda.SDPAParams:
    return torch.backends.cuda.SDPAParams(q, k, v, mask, 0.0, False, False)


def attention_in_chunks(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, scale: float) -> Tensor:
    """Plain softmax attention, a few rows at a time: [B, H, R, D] in float32 or wider; differentiable.

    It serves devices whose attention may hold the full matrix. The backward pass computes each chunk again.
    """
    chunk = max(1, CHUNK_ELEMENTS // (len(q) * q.shape[1] * k.shape[2]))
    parts = []
    for first in range(0, q.shape[2], chunk):
        rows = slice(first, first + chunk)
        part = q[:, :, rows], k, v, mask_rows(mask, rows), scale
        if torch.is_grad_enabled():
            parts.append(checkpoint(_softmax_attention, *part, use_reentrant=False, preserve_rng_state=False))
        else:
            parts.append(_softmax_attention(*part))
    return torch.cat(parts, dim=2)


def _softmax_attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, scale: float) -> Tensor:
    wide = torch.promote_types(q.dtype, torch.float32)
    scores = (q.to(wide) * scale) @ k.to(wide).transpose(-1, -2)
    if mask is not None:
        scores = scores + _as_added(mask, wide)
    # If all keys of a row are masked, its output is 0, as in torch's own kernels.
    return scores.softmax(dim=-1).nan_to_num(0.0) @ v.to(wide)


def mask_rows(mask: Tensor | None, rows: slice) -> Tensor | None:
    """The part of a mask [..., 1 or R, N] for the chosen rows."""
    return mask if mask is None or mask.shape[-2] == 1 else mask[..., rows, :]


def added_mask(mask: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    """The mask as numbers to add to scores of `dtype`; a boolean mask gives minus infinity where it is False."""
    return None if mask is None else _as_added(mask, dtype)


def _as_added(mask: Tensor, dtype: torch.dtype) -> Tensor:
    if mask.dtype != torch.bool:
        return mask.to(dtype)
    return torch.zeros_like(mask, dtype=dtype).masked_fill_(~mask, -torch.inf)
