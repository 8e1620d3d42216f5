"""The router: which experts a style is sent to."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class Routing:
    """The experts of one layer for a batch of styles.

    Attributes:
        indices: [B, k] int64, the kept experts by falling logit; [B, layers, k] for several layers' logits.
        weights: of the same shape, float, their softmax: they sum to 1.
    """

    indices: Tensor
    weights: Tensor


def route(logits: Tensor, top_k: int) -> Routing:
    """StyleExpert's w = softmax(TopK(g(e_s), k)): the softmax runs over the kept logits alone.

    Args:
        logits: [B, E], the output of the gate, or [B, layers, E] of several.
        top_k: k, at most E.
    """
    kept, indices = logits.topk(top_k, dim=-1, sorted=True)
    return Routing(indices=indices, weights=kept.softmax(dim=-1))


class Router(nn.Module):
    """The gate of one layer, a linear without bias, and the choice of its k largest outputs.

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
        """style [B, cond_dim] -> Routing; differentiable in the weights."""
        return route(F.linear(style, self.weight.to(style.dtype)), self.top_k)
