"""The router: it chooses the experts for a style."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class Routing:
    """The experts of one layer for a batch of styles.

    Attributes:
        indices: [B, k] int64, the kept experts in order of decreasing logit; [B, layers, k] for several layers.
        weights: float of the same shape, the softmax over the kept logits; they sum to 1.
    """

    indices: Tensor
    weights: Tensor


def route(logits: Tensor, top_k: int) -> Routing:
    """StyleExpert's w = softmax(TopK(g(e_s), k)): the softmax runs over the kept logits only.

    Args:
        logits: the gate's output, [B, E], or [B, layers, E] for the gates of several layers.
        top_k: k, at most E.
    """
    kept, indices = logits.topk(top_k, dim=-1, sorted=True)
    return Routing(indices=indices, weights=kept.softmax(dim=-1))


class Router(nn.Module):
    """The gate of one layer: a linear layer without bias, then the choice of its k largest outputs.

    Args:
        num_experts: E.
        cond_dim: width of the style embedding.
        top_k: k.
    """

    def __init__(self, *, num_experts: int, cond_dim: int, top_k: int) -> None:
        super().__init__()
        self.top_k = top_k
        self.weight = nn.Parameter(torch.empty(num_experts, cond_dim))
        nn.init.normal_(self.weight, std=cond_dim**-0.5)

    def forward(self, style: Tensor) -> Routing:
        """Route styles [B, cond_dim] to experts; differentiable in the weights."""
        return route(F.linear(style, self.weight.to(style.dtype)), self.top_k)
