"""Exact attention maps of a phrase, without ever holding the full matrix (RegionRoute, section 3.1)."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from .columns import Spans, column_maps, span_columns, span_softmax
from .kernels import attention_with_lse, indicator_attention

Normalise = Literal["all", "span"]


def span_attention(
    q: Tensor,
    k: Tensor,
    spans: Spans,
    rows: slice,
    *,
    mask: Tensor | None = None,
    scale: float | None = None,
    normalise: Normalise = "all",
) -> Tensor:
    """How much each query row attends to each span: mean over the span's tokens and over heads of A[rows, span].

    Exact, differentiable in q and k, memory linear in the tokens.

    Args:
        q, k: [B, H, N, D], after rotary embedding.
        spans: token positions of each span, the same for the whole batch; or one such list for each sample. Samples
            with fewer spans than others get maps of zeros for those that they lack.
        rows: which queries, for instance those of the image.
        mask: as for `scaled_dot_product_attention`: boolean (True takes part) or added, broadcast to [B, H, N, N].
        scale: of q . k; None: 1 / sqrt(D).
        normalise: "all": A is the softmax over all keys (paper); "span": over the tokens of this sample's spans alone
            (RegionRoute's release, with one span a token: the map of all tokens together would be constant).

    Returns:
        [B, S, len(rows)] float32 (float64 for float64).

    Raises:
        AttentionError: a span is empty or outside the keys, or a size does not fit.
    """
    columns = span_columns(spans, q, k, rows)
    scale = q.shape[-1] ** -0.5 if scale is None else scale
    q_rows, mask = q[:, :, rows], _mask_rows(mask, rows)
    if normalise == "span":
        return span_softmax(q_rows, k, columns, mask, scale)
    if not _needs_grad(q, k):
        # V is not looked at: only the log-sum-exp is wanted.
        if (attended := attention_with_lse(q_rows, k, k, mask, scale)) is not None:
            return column_maps(q_rows, k, attended[1], columns, mask, scale)
    return indicator_attention(q_rows, k, columns, mask, scale)


def attend_with_maps(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    spans: Spans,
    rows: slice,
    *,
    mask: Tensor | None = None,
    scale: float | None = None,
    normalise: Normalise = "all",
) -> tuple[Tensor, Tensor]:
    """Attention and its maps from one call of a flash kernel, so that maps cost their few columns alone.

    Where no kernel gives its log-sum-exp, output and maps come from a call each. Arguments as for `span_attention`.

    Returns:
        output [B, H, N, D], maps [B, S, len(rows)].
    """
    columns = span_columns(spans, q, k, rows)
    scale = q.shape[-1] ** -0.5 if scale is None else scale
    if normalise == "all" and not _needs_grad(q, k, v):
        if (attended := attention_with_lse(q, k, v, mask, scale)) is not None:
            output, lse = attended
            maps = column_maps(q[:, :, rows], k, lse[:, :, rows], columns, _mask_rows(mask, rows), scale)
            return output, maps
    output = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=scale)
    return output, span_attention(q, k, spans, rows, mask=mask, scale=scale, normalise=normalise)


def _mask_rows(mask: Tensor | None, rows: slice) -> Tensor | None:
    return mask if mask is None or mask.shape[-2] == 1 else mask[..., rows, :]


def _needs_grad(*tensors: Tensor) -> bool:
    return torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)
