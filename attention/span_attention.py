"""Exact attention maps of a phrase, without ever holding the full matrix (RegionRoute, its style attention map)."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import AttentionError
from .columns import Columns, Spans, column_maps, span_softmax
from .kernels import attention_in_chunks, attention_with_lse, has_fused_kernel, mask_rows, without_autocast

Normalise = Literal["all", "span"]

# Two ways lead to a map, and both are needed. Log-sum-exp: a flash kernel gives it beside the output, and
# exp(q . k - lse) at the span's few keys is all that is left to do; but it has no gradient. Indicator: the values are 1
# at the span's tokens, so that attention itself gives the map, through any kernel and with its gradient, at the price
# of more columns or of a call. For a map alone both take one flash call of the rows, and the same time.
# `styleroute benchmark attention` measures them all.


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
    """How much each row attends to each span: the mean of A[row, token] over the span's tokens and over heads.

    Exact, differentiable in q and k, with memory that grows as the tokens do.

    Args:
        q, k: [B, H, N, D], after rotary embedding.
        spans: token positions of each span, for the whole batch; or a list of spans for each sample, where samples with
            fewer spans than others get maps of zeros in the places they lack. Or the `Columns` of either, which are
            built once where many blocks are asked for the same spans.
        rows: which queries, such as those of the image.
        mask: as for `scaled_dot_product_attention`: boolean (True takes part) or added, broadcast to [B, H, N, N].
        scale: of q . k; None: 1 / sqrt(D).
        normalise: "all": A is the softmax over all keys (paper); "span": over the tokens of a sample's spans alone, as
            in RegionRoute's release. The mean over all of those is constant: give a span for each token.

    Returns:
        [B, S, rows], float32 (float64 for float64).

    Raises:
        AttentionError: a span is empty or outside the keys, or a size does not fit.
    """
    columns, mask = _prepare(q, k, spans, rows), _mask_of(mask, k)
    scale = q.shape[-1] ** -0.5 if scale is None else scale
    with without_autocast(q, k) as (q, k):
        return _maps(q[:, :, rows], k, columns, mask_rows(mask, rows), scale, normalise)


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
    """Attention, and maps as `span_attention` gives them, from one call of a kernel wherever that can be.

    Args:
        v: [B, H, N, D]; the others, and the errors, as for `span_attention`.

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
    """As `attend_with_maps`, but None where no kernel of this device gives both from one call.

    For callers that have an attention of their own to fall back to.
    """
    columns, mask = _prepare(q, k, spans, rows), _mask_of(mask, k)
    scale = q.shape[-1] ** -0.5 if scale is None else scale
    joined = attend_joined if _needs_gradient(q, k, v) else attend_with_lse
    with without_autocast(q, k, v) as (q, k, v):
        return joined(q, k, v, columns, rows, mask, scale)


def _maps(q_rows: Tensor, k: Tensor, columns: Columns, mask: Tensor | None, scale: float, normalise: str) -> Tensor:
    """Maps alone, [B, S, R]."""
    if normalise == "span":
        return span_softmax(q_rows, k, columns, mask, scale)
    # The kernel wants values, but only its log-sum-exp is used: the keys are at hand.
    if not _needs_gradient(q_rows, k) and (both := attention_with_lse(q_rows, k, k, mask, scale)) is not None:
        return column_maps(q_rows, k, both[1], columns, mask, scale)
    return indicator_maps(q_rows, k, columns, mask, scale)


def attend_with_lse(
    q: Tensor, k: Tensor, v: Tensor, columns: Columns, rows: slice, mask: Tensor | None, scale: float
) -> tuple[Tensor, Tensor] | None:
    """One flash call for output and log-sum-exp."""
    if (both := attention_with_lse(q, k, v, mask, scale)) is None:
        return None
    output, lse = both
    return output, column_maps(q[:, :, rows], k, lse[:, :, rows], columns, mask_rows(mask, rows), scale)


def attend_joined(
    q: Tensor, k: Tensor, v: Tensor, columns: Columns, rows: slice, mask: Tensor | None, scale: float
) -> tuple[Tensor, Tensor] | None:
    """One differentiable call: the indicator's columns stand beside the values, q and k are as wide with zeros.

    None on a graphics card, where heads of 128 would need the kernel for 192, which takes back what a second call
    costs.
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
    """Maps as the attention of the rows over the spans' indicator."""
    # Values narrower than the head make torch fall back to the full matrix; wider ones too, so that q and k are padded.
    width = max(q_rows.shape[-1], _multiple_of_8(columns.num_spans))
    indicator = columns.indicator(k.shape[2], width, k.dtype).expand(-1, k.shape[1], -1, -1)
    q_rows, k = (F.pad(tensor, (0, width - tensor.shape[-1])) for tensor in (q_rows, k))
    if has_fused_kernel(q_rows, k, indicator, mask):
        attended = F.scaled_dot_product_attention(q_rows, k, indicator, attn_mask=mask, scale=scale)
    else:
        attended = attention_in_chunks(q_rows, k, indicator, mask, scale)
    return columns.mean_of_indicator(attended)


def _prepare(q: Tensor, k: Tensor, spans: Spans | Columns, rows: slice) -> Columns:
    """Spans as columns, once all sizes are checked."""
    if q.ndim != 4 or k.ndim != 4 or q.shape[:2] != k.shape[:2] or q.shape[3] != k.shape[3]:
        raise AttentionError(
            f"Queries {list(q.shape)} and keys {list(k.shape)} do not fit; both are [batch, heads, tokens, width]."
        )
    if not len(range(*rows.indices(q.shape[2]))):
        raise AttentionError(f"{rows} holds none of the {q.shape[2]} queries; give the rows of the image.")
    return spans if isinstance(spans, Columns) else Columns.of(spans, len(q), k.shape[2], q.device)


def _mask_of(mask: Tensor | None, k: Tensor) -> Tensor | None:
    """The mask with four dimensions, [1 or B, 1 or H, 1 or R, N]."""
    return None if mask is None else mask[(None,) * (4 - mask.ndim)].expand(-1, -1, -1, k.shape[2])


def _multiple_of_8(width: int) -> int:
    return -(-width // 8) * 8


def _needs_gradient(*tensors: Tensor) -> bool:
    return torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)
