"""The few columns of the attention matrix that belong to spans."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .errors import AttentionError

Spans = Sequence[Sequence[int]] | Sequence[Sequence[Sequence[int]]]
"""Token positions of each span, for the whole batch or a list for each sample."""


@dataclass(frozen=True)
class Columns:
    """The keys of all spans of each sample, side by side.

    Attributes:
        index: [B, K] int64, positions among the keys; unused places hold 0.
        weights: [B, K, S] float32, 1 / |span| where a key belongs to a span, else 0.
    """

    index: Tensor
    weights: Tensor


def span_columns(spans: Spans, q: Tensor, k: Tensor, rows: slice) -> Columns:
    """The columns of spans for q, k [B, H, N, D].

    Raises:
        AttentionError: no span, an empty one, a position outside the keys, a list for each of another number of
            samples, sizes of q and k that do not fit, or no row.
    """
    _require_sizes(q, k, rows)
    batch = _by_sample(spans, len(q))
    for sample in batch:
        for span in sample:
            _require_span(span, k.shape[2])
    width = max(sum(map(len, sample)) for sample in batch)
    index = torch.zeros(len(batch), width, dtype=torch.int64)
    weights = torch.zeros(len(batch), width, max(map(len, batch)))
    for number, sample in enumerate(batch):
        place = 0
        for column, span in enumerate(sample):
            index[number, place : place + len(span)] = torch.tensor(span)
            weights[number, place : place + len(span), column] = 1 / len(span)
            place += len(span)
    return Columns(index.to(q.device), weights.to(q.device))


def column_maps(q_rows: Tensor, k: Tensor, lse: Tensor, columns: Columns, mask: Tensor | None, scale: float) -> Tensor:
    """exp(q . k - lse) at the spans' keys, [B, S, R], from the rows' log-sum-exp [B, H, R] over all keys."""
    scores = column_scores(q_rows, k, columns, mask, scale)
    # A row whose keys are all masked attends to nothing.
    lse = lse.to(scores.dtype).masked_fill(lse == -torch.inf, torch.inf)
    return _mean(scores.sub_(lse.unsqueeze(-1)).exp_(), columns)


def span_softmax(q_rows: Tensor, k: Tensor, columns: Columns, mask: Tensor | None, scale: float) -> Tensor:
    """The release's slice: softmax over the spans' own keys, [B, S, R]."""
    scores = column_scores(q_rows, k, columns, mask, scale)  # [B, H, R, K]
    unused = (columns.weights == 0).all(dim=-1)[:, None, None]  # [B, 1, 1, K]
    return _mean(scores.masked_fill(unused, -torch.inf).softmax(dim=-1), columns)


def column_scores(q_rows: Tensor, k: Tensor, columns: Columns, mask: Tensor | None, scale: float) -> Tensor:
    """scale * q . k + mask at the spans' keys, [B, H, R, K], at least float32."""
    k = k.gather(2, columns.index[:, None, :, None].expand(-1, k.shape[1], -1, k.shape[3]))  # [B, H, K, D]
    wide = torch.promote_types(q_rows.dtype, torch.float32)
    scores = (q_rows.to(wide) * scale) @ k.to(wide).transpose(-1, -2)
    if mask is None:
        return scores
    mask = mask[(None,) * (4 - mask.ndim)]  # [1 or B, 1 or H, 1 or R, N]
    mask = mask.expand(len(q_rows), -1, -1, -1)
    kept = mask.gather(3, columns.index[:, None, None].expand(-1, *mask.shape[1:3], -1))
    return scores.masked_fill(~kept, -torch.inf) if kept.dtype == torch.bool else scores + kept


def _mean(probabilities: Tensor, columns: Columns) -> Tensor:
    """[B, H, R, K] -> [B, S, R]: mean over heads, then over each span's tokens."""
    return (probabilities.mean(dim=1) @ columns.weights.to(probabilities.dtype)).transpose(1, 2)


def _by_sample(spans: Spans, batch: int) -> list[list[Sequence[int]]]:
    if not len(spans) or not any(len(sample) for sample in spans):
        raise AttentionError("There is no span to make a map of; find one for a phrase of the prompt first.")
    per_sample = any(len(sample) and not isinstance(sample[0], int) for sample in spans)
    if not per_sample:
        return [list(spans)] * batch  # type: ignore[list-item]
    if len(spans) != batch:
        raise AttentionError(f"Spans of {len(spans)} samples were given for a batch of {batch}; give a list for each.")
    return [list(sample) for sample in spans]  # type: ignore[arg-type]


def _require_span(span: Sequence[int], keys: int) -> None:
    if not len(span):
        raise AttentionError("A span holds no token; find it for a phrase of the prompt first.")
    if min(span) < 0 or max(span) >= keys:
        raise AttentionError(
            f"A span reaches from token {min(span)} to {max(span)}, but there are {keys} keys, counted from 0; "
            "find it for the prompt that was encoded."
        )


def _require_sizes(q: Tensor, k: Tensor, rows: slice) -> None:
    fits = q.ndim == k.ndim == 4 and q.shape[:2] == k.shape[:2] and q.shape[3] == k.shape[3]
    if not fits:
        raise AttentionError(
            f"Queries {list(q.shape)} and keys {list(k.shape)} do not fit; both are [batch, heads, tokens, width]."
        )
    if not len(range(*rows.indices(q.shape[2]))):
        raise AttentionError(f"The rows {rows} hold none of the {q.shape[2]} queries; give those of the image.")
