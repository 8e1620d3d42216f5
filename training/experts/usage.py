"""How often each expert is chosen: a mixture whose router always takes the same ones is a plain LoRA."""

from collections.abc import Mapping

import torch
from torch import Tensor

from .routed_linear import RoutedLinear


class ExpertUsage:
    """Counts what the routers of all layers choose."""

    def __init__(self, routed: Mapping[str, RoutedLinear]) -> None:
        self._layers = list(routed.values())

    @torch.no_grad()
    def shares(self, style: Tensor) -> list[float]:
        """Share of all choices that fell on each expert, over layers and the styles [B, cond_dim]; they sum to 1."""
        experts = self._layers[0].config.experts
        chosen = torch.cat([layer.cond_gate(style.float()).indices.flatten() for layer in self._layers])
        return (torch.bincount(chosen, minlength=experts) / len(chosen)).tolist()
