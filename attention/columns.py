"""The columns of the attention matrix that belong to the tokens of spans."""

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import cast

import torch
from torch import Tensor

from ..errors import AttentionError

Span = Sequence[int]
"""Positions of a phrase's tokens among the keys."""
Spans = Sequence[Span] | Sequence[Sequence[Span]]
"""One list of spans for the whole batch, or one list of spans for each sample."""


@dataclass(frozen=True, eq=False)
class Columns:
    """Key positions of all spans, padded to the longest sample (K).

    Attributes:
        index: [B, K] int64, positions among the keys; the padding is 0.
        belongs: [B, K, S] bool, which key belongs to which span.
    """

    index: Tensor
    belongs: Tensor

    @classmethod
    def of(cls, spans: Spans, batch: int, keys: int, device: torch.device) -> "Columns":
        """The columns of `spans` in an attention matrix with `keys` columns.

        Raises:
            AttentionError: there is no span, a span is empty or outside the keys, or the lists do not match the batch.
        """
        samples = _by_sample(spans, batch)
        for span in (span for sample in samples for span in sample):
            _require_tokens(span, keys)
        longest = max(sum(len(span) for span in sample) for sample in samples)
        index = [[token for span in sample for token in span] for sample in samples]
        owners = [[column for column, span in enumerate(sample) for _ in span] for sample in samples]
        num_spans = max(len(sample) for sample in samples)
        belongs = _padded(owners, longest, -1)[..., None] == torch.arange(num_spans)
        return cls(_padded(index, longest, 0).to(device), belongs.to(device))

    @property
    def num_spans(self) -> int:
        """S, the number of spans."""
        return self.belongs.shape[-1]

    def mean(self, probabilities: Tensor) -> Tensor:
        """Average over the heads and over each span's tokens: [B, H, R, K] -> [B, S, R]."""
        return self._means(probabilities.mean(dim=1) @ self.belongs.to(probabilities.dtype))

    def indicator(self, keys: int, width: int, dtype: torch.dtype) -> Tensor:
        """Values for attention, [B, 1, keys, width]: column s is 1 at the keys of span s; the other columns are 0."""
        belongs = self.belongs.to(dtype)
        values = belongs.new_zeros(len(belongs), keys, width)
        values[..., : self.num_spans].scatter_add_(1, self.index[..., None].expand_as(belongs), belongs)
        return values[:, None]

    def mean_of_indicator(self, attended: Tensor) -> Tensor:
        """Average attention over `indicator`, [B, H, R, width] -> [B, S, R], over the heads and each span's tokens."""
        wide = torch.promote_types(attended.dtype, torch.float32)
        return self._means(attended[..., : self.num_spans].to(wide).mean(dim=1))

    def _means(self, sums: Tensor) -> Tensor:
        """Divide sums over each span's tokens, [B, R, S], by the number of its tokens: [B, S, R]."""
        return (sums / self.belongs.sum(dim=1, keepdim=True).clamp_min(1)).transpose(1, 2)


def column_maps(q_rows: Tensor, k: Tensor, lse: Tensor, columns: Columns, mask: Tensor | None, scale: float) -> Tensor:
    """Maps exp(q . k - lse) at the spans' keys, [B, S, R]; `lse` [B, H, R] is each row's log-sum-exp over all keys."""
    scores = column_scores(q_rows, k, columns, mask, scale)
    # If all keys of a row are masked, its attention is 0.
    lse = lse.masked_fill(lse == -torch.inf, 0.0)
    return columns.mean((scores - lse[..., None].to(scores.dtype)).exp_())


def span_softmax(q_rows: Tensor, k: Tensor, columns: Columns, mask: Tensor | None, scale: float) -> Tensor:
    """Maps [B, S, R] with the release's softmax, which runs over the spans' keys only."""
    scores = column_scores(q_rows, k, columns, mask, scale)
    unused = ~columns.belongs.any(dim=-1)[:, None, None]  # [B, 1, 1, K]
    return columns.mean(scores.masked_fill(unused, -torch.inf).softmax(dim=-1).nan_to_num(0.0))


def column_scores(q_rows: Tensor, k: Tensor, columns: Columns, mask: Tensor | None, scale: float) -> Tensor:
    """Scores scale * q . k + mask at the spans' keys, [B, H, R, K], in float32 or wider."""
    wide = torch.promote_types(q_rows.dtype, torch.float32)
    index = columns.index[:, None, :, None].expand(-1, k.shape[1], -1, k.shape[3])
    scores = q_rows.to(wide) @ (k.gather(2, index).to(wide) * scale).transpose(-1, -2)
    if mask is None:
        return scores
    mask = mask.expand(len(k), -1, -1, -1)  # [B, 1 or H, 1 or R, N]
    mask = mask.gather(3, columns.index[:, None, None].expand(-1, *mask.shape[1:3], -1))
    return scores.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else scores + mask


def _padded(lists: list[list[int]], length: int, padding: int) -> Tensor:
    """One row per list, padded to `length`: [B, length] int64."""
    return torch.tensor([entries + [padding] * (length - len(entries)) for entries in lists])


def _by_sample(spans: Spans, batch: int) -> list[Sequence[Span]]:
    firsts = [entry[0] for entry in spans if len(entry)]
    if not firsts:
        raise AttentionError("The spans hold no token. Find the span of a phrase in the prompt first.")
    if isinstance(firsts[0], Integral):
        return [cast(Sequence[Span], spans)] * batch
    if len(spans) != batch:
        raise AttentionError(
            f"Spans of {len(spans)} samples were given for a batch of {batch}. Give one list of spans for each sample."
        )
    return list(cast(Sequence[Sequence[Span]], spans))


def _require_tokens(span: Span, keys: int) -> None:
    if not len(span):
        raise AttentionError("A span holds no token. Find the span of a phrase in the prompt first.")
    if min(span) < 0 or max(span) >= keys:
        raise AttentionError(
            f"A span reaches from token {min(span)} to {max(span)}, expected positions from 0 to {keys - 1}. "
            "Find the span in the prompt that was encoded."
        )
