"""Exact attention maps of a phrase, computed without the full matrix (RegionRoute, style attention map)."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import AttentionError
from .columns import Columns, Spans, column_maps, span_softmax
from .kernels import attention_in_chunks, attention_with_lse, has_fused_kernel, mask_rows, without_autocast

Normalise = Literal["all", "span"]

# Two methods compute a map, and both are needed.
# Log-sum-exp: a flash kernel returns it beside the output, and exp(q . k - lse) at the span's few keys is the map. It
# has no gradient.
# Indicator: values that are 1 at the span's tokens make attention itself return the map. This works with any kernel
# and has a gradient, but needs more columns or a second call.
# If only the map is needed, both methods make one flash call over the rows and take the same time.
# `styleroute benchmark attention` measures both.


def span_attention(
    q: Tensor,
    k: Tensor,
    spans: Spans | Columns,
    rows: slice,
    *,
    mask: Tensor | None = None,
    scale: float | None = None,
    normalise: Normalise = "all",
) -> Tensor:
    """Attention of each row to each span: the mean of A[row, token] over the span's tokens and over the heads.

    It is exact and differentiable in q and k. Its memory grows linearly with the number of tokens.

    Args:
        q, k: [B, H, N, D], after rotary embedding.
        spans: token positions of each span, for the whole batch; or a list of spans for each sample, where a sample
            with fewer spans gets maps of zeros for the missing ones; or the `Columns` of either. `Columns` can be built
            once and used for many blocks.
        rows: the queries to use, such as those of the image tokens.
        mask: as for `scaled_dot_product_attention`: boolean (True means not masked) or added, broadcast to
            [B, H, N, N].
        scale: factor of q . k; None: 1 / sqrt(D).
        normalise: "all": A is the softmax over all keys (paper). "span": A is the softmax over the tokens of a sample's
            spans only (RegionRoute's release). The mean over all these tokens is constant, so give one span per token.

    Returns:
        Maps [B, S, rows], float32 (float64 for float64 inputs).

    Raises:
        AttentionError: a span is empty or outside the keys, or a size does not fit.
    """
    columns, mask = _prepare(q, k, spans, rows), _mask_of(mask, k)
    factor = _scale_of(scale, q)
    with without_autocast(q, k) as (q, k):
        return _maps(q[:, :, rows], k, columns, mask_rows(mask, rows), factor, normalise)


def attend_with_maps(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    spans: Spans | Columns,
    rows: slice,
    *,
    mask: Tensor | None = None,
    scale: float | None = None,
    normalise: Normalise = "all",
) -> tuple[Tensor, Tensor]:
    """Attention and the maps of `span_attention`, from one kernel call where a kernel allows it.

    Args:
        v: [B, H, N, D]. The other arguments, and the errors, are those of `span_attention`.

    Returns:
        output [B, H, N, D], maps [B, S, rows].
    """
    columns = _prepare(q, k, spans, rows)
    if normalise == "all" and (both := attend_at_once(q, k, v, columns, rows, mask=mask, scale=scale)) is not None:
        return both
    output = F.scaled_dot_product_attention(q, k, v, attn_mask=_mask_of(mask, k), scale=scale)
    return output, span_attention(q, k, columns, rows, mask=mask, scale=scale, normalise=normalise)


def attend_at_once(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    spans: Spans | Columns,
    rows: slice,
    *,
    mask: Tensor | None = None,
    scale: float | None = None,
) -> tuple[Tensor, Tensor] | None:
    """Like `attend_with_maps`, but None if no kernel of this device returns both from one call.

    It serves callers that can fall back to their own attention.
    """
    columns, mask = _prepare(q, k, spans, rows), _mask_of(mask, k)
    factor = _scale_of(scale, q)
    joined = attend_joined if _needs_gradient(q, k, v) else attend_with_lse
    with without_autocast(q, k, v) as (q, k, v):
        return joined(q, k, v, columns, rows, mask, factor)


def _maps(q_rows: Tensor, k: Tensor, columns: Columns, mask: Tensor | None, scale: float, normalise: str) -> Tensor:
    """Maps without the attention's output, [B, S, R]."""
    if normalise == "span":
        return span_softmax(q_rows, k, columns, mask, scale)
    # Only the kernel's log-sum-exp is used. The kernel needs some values, so it gets the keys.
    if not _needs_gradient(q_rows, k) and (both := attention_with_lse(q_rows, k, k, mask, scale)) is not None:
        return column_maps(q_rows, k, both[1], columns, mask, scale)
    return indicator_maps(q_rows, k, columns, mask, scale)


def attend_with_lse(
    q: Tensor, k: Tensor, v: Tensor, columns: Columns, rows: slice, mask: Tensor | None, scale: float
) -> tuple[Tensor, Tensor] | None:
    """Output and maps from one flash call, through its log-sum-exp; None if no kernel returns that."""
    if (both := attention_with_lse(q, k, v, mask, scale)) is None:
        return None
    output, lse = both
    return output, column_maps(q[:, :, rows], k, lse[:, :, rows], columns, mask_rows(mask, rows), scale)


def attend_joined(
    q: Tensor, k: Tensor, v: Tensor, columns: Columns, rows: slice, mask: Tensor | None, scale: float
) -> tuple[Tensor, Tensor] | None:
    """Output and maps from one differentiable call: the indicator is appended to the values, and zeros to q and k.

    None on a graphics card: heads of width 128 would need the kernel for 192, which costs as much as a second call.
    """
    if q.device.type != "cpu":
        return None
    width, extra = v.shape[-1], _multiple_of_8(columns.num_spans)
    indicator = columns.indicator(k.shape[2], extra, v.dtype).expand(-1, v.shape[1], -1, -1)
    values = torch.cat([v, indicator], dim=-1)
    q, k = (F.pad(tensor, (0, values.shape[-1] - tensor.shape[-1])) for tensor in (q, k))
    attended = F.scaled_dot_product_attention(q, k, values, attn_mask=mask, scale=scale)
    return attended[..., :width], columns.mean_of_indicator(attended[:, :, rows, width:])


def indicator_maps(q_rows: Tensor, k: Tensor, columns: Columns, mask: Tensor | None, scale: float) -> Tensor:
    """Maps [B, S, R], as the attention of the rows over the spans' indicator."""
    # If the values are narrower or wider than q and k, torch falls back to the full matrix. So all get the same width.
    width = max(q_rows.shape[-1], _multiple_of_8(columns.num_spans))
    indicator = columns.indicator(k.shape[2], width, k.dtype).expand(-1, k.shape[1], -1, -1)
    q_rows, k = (F.pad(tensor, (0, width - tensor.shape[-1])) for tensor in (q_rows, k))
    if has_fused_kernel(q_rows, k, indicator, mask):
        attended = F.scaled_dot_product_attention(q_rows, k, indicator, attn_mask=mask, scale=scale)
    else:
        attended = attention_in_chunks(q_rows, k, indicator, mask, scale)
    return columns.mean_of_indicator(attended)


def _prepare(q: Tensor, k: Tensor, spans: Spans | Columns, rows: slice) -> Columns:
    """Check all sizes, and return the spans as columns."""
    if q.ndim != 4 or k.ndim != 4 or q.shape[:2] != k.shape[:2] or q.shape[3] != k.shape[3]:
        raise AttentionError(
            f"Queries {list(q.shape)} and keys {list(k.shape)} do not fit, expected [batch, heads, tokens, width] "
            "with equal batch, heads and width."
        )
    if not len(range(*rows.indices(q.shape[2]))):
        raise AttentionError(f"{rows} selects none of the {q.shape[2]} queries. Give the rows of the image tokens.")
    return spans if isinstance(spans, Columns) else Columns.of(spans, len(q), k.shape[2], q.device)


def _mask_of(mask: Tensor | None, k: Tensor) -> Tensor | None:
    """The mask with four dimensions, [1 or B, 1 or H, 1 or R, N]."""
    return None if mask is None else mask[(None,) * (4 - mask.ndim)].expand(-1, -1, -1, k.shape[2])


def _scale_of(scale: float | None, q: Tensor) -> float:
    return float(q.shape[-1]) ** -0.5 if scale is None else scale


def _multiple_of_8(width: int) -> int:
    return -(-width // 8) * 8


def _needs_gradient(*tensors: Tensor) -> bool:
    return torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)
