"""The run-time branch: adds a style's low-rank change to the output of a linear layer, with a weight per token.

``h' = l(h) + m * (up (down h))``: the layer's own weight stays as it is, so one forward pass holds any number of
styles, each in its own place. Merging a style into the weight (a patch) gives the same numbers where m is 1.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from ..errors import StyleExpertError
from .collapse import LowRank

MOST = 0.6
"""Share of the tokens with m > 0 from which all tokens are computed: picking most of them would take longer."""

WeightReader = Callable[[nn.Linear, Tensor], AbstractContextManager[Tensor]]
"""Gives the weight [out, in] of a linear layer on the device and in the dtype of a tensor."""


@contextmanager
def weight_like(layer: nn.Linear, tensor: Tensor) -> Iterator[Tensor]:
    """The weight of ``layer`` on the device and in the dtype of ``tensor``."""
    yield layer.weight.to(tensor)


class PairRows(NamedTuple):
    """A low-rank pair and the rows of the layer's output that it changes.

    Attributes:
        pair: the change, up [out, R] and down [R, in].
        rows: (start, length) in the layer's output; None for the whole output.
    """

    pair: LowRank
    rows: tuple[int, int] | None = None


@dataclass(frozen=True, eq=False)
class TokenWeights:
    """The weight m of each token, kept for the tokens with m > 0 only, unless these are most tokens.

    Attributes:
        positions: [n] int64, positions in the flattened [B * N] tokens; None for all tokens, some of which may have
            the weight 0.
        values: [n, 1] weights; None if all are 1.
        count: B * N; None for any number of tokens.
    """

    positions: Tensor | None = None
    values: Tensor | None = None
    count: int | None = None

    @classmethod
    def of(cls, weights: Tensor) -> "TokenWeights":
        """Token weights from a weight of 0 to 1 per token, [B, N]."""
        flat = weights.flatten()
        if bool((flat == 1).all()):
            return EVERY_TOKEN
        positions = flat.nonzero().squeeze(-1)
        if len(positions) > MOST * len(flat):
            return cls(None, flat[:, None], len(flat))
        return cls(positions, flat[positions, None], len(flat))

    def require(self, tokens: int) -> None:
        """Requires that the weights are for this number of tokens.

        Raises:
            StyleExpertError: they are for another number.
        """
        if self.count not in (None, tokens):
            raise StyleExpertError(
                f"A layer of the model got {tokens} tokens, but image, text and references have {self.count}. "
                "Another node merges or drops tokens: remove that node, or apply the style to the whole image."
            )

    @property
    def is_empty(self) -> bool:
        """Whether all weights are 0."""
        return self.positions is not None and not len(self.positions)


EVERY_TOKEN = TokenWeights()
"""Weight 1 for all tokens."""


class LayerBranch(nn.Module):
    """The change of one style in one linear layer. The pairs of a fused layer (q, k, v) share one down-projection.

    Args:
        pairs: the pairs [out, R] and [R, in], and their rows in the layer's output.
        linear: class of the linear layers that hold the pairs; ComfyUI's own class can be offloaded.
        dtype: dtype of the stored pairs.
    """

    def __init__(
        self, pairs: Sequence[PairRows], linear: type[nn.Linear] = nn.Linear, dtype: torch.dtype = torch.float32
    ) -> None:
        super().__init__()
        self.down = _linear(torch.cat([pair.down for pair, _ in pairs]), linear, dtype)
        self.ups = nn.ModuleList(_linear(pair.up, linear, dtype) for pair, _ in pairs)
        self.rows = [rows for _, rows in pairs]
        self.ranks = [pair.down.shape[0] for pair, _ in pairs]

    def add_to(
        self,
        output: Tensor,
        hidden: Tensor,
        weights: TokenWeights,
        strength: float = 1.0,
        read: WeightReader = weight_like,
    ) -> None:
        """Add ``strength * m * up(down(h))`` to ``output`` in place.

        Args:
            output: [..., out], contiguous, the layer's own output.
            hidden: [..., in], the layer's input.
            weights: m for all tokens of ``hidden``, flattened.
            strength: factor of the whole change.
            read: gives the weights of the pairs.

        Raises:
            StyleExpertError: ``weights`` are for another number of tokens.
        """
        if weights.is_empty:
            return
        tokens, changed = hidden.reshape(-1, hidden.shape[-1]), output.view(-1, output.shape[-1])
        weights.require(len(tokens))
        if weights.positions is not None:
            tokens = tokens[weights.positions]
        with read(self.down, tokens) as down:
            inner = tokens @ down.T  # [n, sum of R]: here m and strength cost least
        inner = inner * (strength if weights.values is None else weights.values.to(inner) * strength)
        ups = cast(Iterable[nn.Linear], self.ups)
        for up_layer, rows, part in zip(ups, self.rows, inner.split(self.ranks, dim=-1), strict=True):
            own = changed if rows is None else changed.narrow(-1, *rows)
            with read(up_layer, part) as up:
                if weights.positions is None:
                    own.addmm_(part, up.T)  # one call: a product of its own would need the memory of the output
                else:
                    own.index_add_(0, weights.positions, part @ up.T)


def _linear(weight: Tensor, linear: type[nn.Linear], dtype: torch.dtype) -> nn.Linear:
    """A linear layer without bias that holds ``weight`` [out, in]."""
    layer = linear(weight.shape[1], weight.shape[0], bias=False, device="meta")
    layer.weight = nn.Parameter(weight.to(dtype).contiguous(), requires_grad=False)
    return layer
