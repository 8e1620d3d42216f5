"""The few columns of the attention matrix that belong to spans."""

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral

import torch
from torch import Tensor

from ..errors import AttentionError

Span = Sequence[int]
"""Positions of a phrase's tokens among the keys."""
Spans = Sequence[Span] | Sequence[Sequence[Span]]
"""The same spans for the whole batch, or a list of spans for each sample."""


@dataclass(frozen=True, eq=False)
class Columns:
    """The keys of all spans of each sample, side by side: K places, as many as the sample with the most needs.

    Attributes:
        index: [B, K] int64, positions among the keys; unused places hold 0.
        belongs: [B, K, S] bool, which key belongs to which span.
    """

    index: Tensor
    belongs: Tensor

    @classmethod
    def of(cls, spans: Spans, batch: int, keys: int, device: torch.device) -> "Columns":
        """The columns of spans in attention over a number of keys.

        Raises:
            AttentionError: no span, an empty one, a position outside the keys, or lists for another number of samples.
        """
        samples = _by_sample(spans, batch)
        for span in (span for sample in samples for span in sample):
            _require_tokens(span, keys)
        places = max(sum(len(span) for span in sample) for sample in samples)
        index = [[token for span in sample for token in span] for sample in samples]
        owners = [[column for column, span in enumerate(sample) for _ in span] for sample in samples]
        num_spans = max(len(sample) for sample in samples)
        belongs = _filled(owners, places, -1)[..., None] == torch.arange(num_spans)
        return cls(_filled(index, places, 0).to(device), belongs.to(device))

    @property
    def num_spans(self) -> int:
        """S."""
        return self.belongs.shape[-1]

    def mean(self, probabilities: Tensor) -> Tensor:
        """[B, H, R, K] -> [B, S, R]: mean over heads and over each span's tokens."""
        return self._means(probabilities.mean(dim=1) @ self.belongs.to(probabilities.dtype))

    def indicator(self, keys: int, width: int, dtype: torch.dtype) -> Tensor:
        """[B, 1, keys, width], the values of attention: a column a span, 1 at its keys; zeros beyond."""
        belongs = self.belongs.to(dtype)
        values = belongs.new_zeros(len(belongs), keys, width)
        values[..., : self.num_spans].scatter_add_(1, self.index[..., None].expand_as(belongs), belongs)
        return values[:, None]

    def mean_of_indicator(self, attended: Tensor) -> Tensor:
        """Attention over `indicator`, [B, H, R, width] -> [B, S, R]: mean over heads and over each span's tokens."""
        wide = torch.promote_types(attended.dtype, torch.float32)
        return self._means(attended[..., : self.num_spans].to(wide).mean(dim=1))

    def _means(self, sums: Tensor) -> Tensor:
        """Sums over the tokens of spans, [B, R, S], as means [B, S, R]."""
        return (sums / self.belongs.sum(dim=1, keepdim=True).clamp_min(1)).transpose(1, 2)


def column_maps(q_rows: Tensor, k: Tensor, lse: Tensor, columns: Columns, mask: Tensor | None, scale: float) -> Tensor:
    """exp(q . k - lse) at the spans' keys, [B, S, R], from the rows' log-sum-exp [B, H, R] over all keys."""
    scores = column_scores(q_rows, k, columns, mask, scale)
    # A row whose keys are all masked attends to nothing.
    lse = lse.masked_fill(lse == -torch.inf, 0.0)
    return columns.mean((scores - lse[..., None].to(scores.dtype)).exp_())


def span_softmax(q_rows: Tensor, k: Tensor, columns: Columns, mask: Tensor | None, scale: float) -> Tensor:
    """The release's slice: softmax over the spans' own keys alone, [B, S, R]."""
    scores = column_scores(q_rows, k, columns, mask, scale)
    unused = ~columns.belongs.any(dim=-1)[:, None, None]  # [B, 1, 1, K]
    return columns.mean(scores.masked_fill(unused, -torch.inf).softmax(dim=-1).nan_to_num(0.0))


def column_scores(q_rows: Tensor, k: Tensor, columns: Columns, mask: Tensor | None, scale: float) -> Tensor:
    """scale * q . k + mask at the spans' keys, [B, H, R, K], in at least float32."""
    wide = torch.promote_types(q_rows.dtype, torch.float32)
    index = columns.index[:, None, :, None].expand(-1, k.shape[1], -1, k.shape[3])
    scores = q_rows.to(wide) @ (k.gather(2, index).to(wide) * scale).transpose(-1, -2)
    if mask is None:
        return scores
    mask = mask.expand(len(k), -1, -1, -1)  # [B, 1 or H, 1 or R, N]
    mask = mask.gather(3, columns.index[:, None, None].expand(-1, *mask.shape[1:3], -1))
    return scores.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else scores + mask


def _filled(lists: list[list[int]], length: int, rest: int) -> Tensor:
    """[B, length] int64, each list followed by `rest`."""
    return torch.tensor([entries + [rest] * (length - len(entries)) for entries in lists])


def _by_sample(spans: Spans, batch: int) -> list[Sequence[Span]]:
    firsts = [entry[0] for entry in spans if len(entry)]
    if not firsts:
        raise AttentionError("There is no token to make a map of; find the span of a phrase of the prompt first.")
    if isinstance(firsts[0], Integral):
        return [spans] * batch
    if len(spans) != batch:
        raise AttentionError(
            f"Spans of {len(spans)} samples were given for a batch of {batch}; give a list of spans for each sample."
        )
    return list(spans)


def _require_tokens(span: Span, keys: int) -> None:
    if not len(span):
        raise AttentionError("A span holds no token; find it for a phrase of the prompt first.")
    if min(span) < 0 or max(span) >= keys:
        raise AttentionError(
            f"A span reaches from token {min(span)} to {max(span)}, but there are {keys} keys, counted from 0; "
            "find it in the prompt that was encoded."
        )
