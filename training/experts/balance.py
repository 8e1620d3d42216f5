"""The load-balancing loss of the routers (Switch Transformer, Fedus et al. 2021, equation 4)."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from .routed_linear import RoutedLinear


def balance_loss(routed: Mapping[str, RoutedLinear], style: Tensor) -> Tensor:
    """Mean over the layers of E sum_i f_i P_i: 1 for equal use of all experts, and E if all styles choose the same one.

    f_i is the share of expert i among the choices of the batch, and P_i the mean of its softmax over all experts. The
    gradient goes through P_i.

    Args:
        routed: the layers with routed experts.
        style: style embeddings [B, cond_dim].
    """
    gates = torch.stack([layer.cond_gate.weight for layer in routed.values()])  # [L, E, cond_dim]
    top_k = next(iter(routed.values())).config.top_k
    logits = torch.einsum("bc,lec->lbe", style.float(), gates.float())
    experts = logits.shape[-1]
    chosen = functional.one_hot(logits.topk(top_k, dim=-1).indices, experts).float()  # [L, B, k, E]
    shares = chosen.mean((1, 2))
    return experts * (shares * logits.softmax(-1).mean(1)).sum(-1).mean()
