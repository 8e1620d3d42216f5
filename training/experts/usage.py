"""How often each expert is chosen: a mixture whose router always takes the same ones is a plain LoRA."""

from collections.abc import Mapping

import torch
from torch import Tensor

from .routed_linear import RoutedLinear


class ExpertUsage:
    """Counts what the routers of all layers choose for the styles that were seen since the last count."""

    def __init__(self, routed: Mapping[str, RoutedLinear]) -> None:
        self._layers = list(routed.values())
        self._seen: list[Tensor] = []

    def see(self, style: Tensor) -> None:
        """Styles [B, cond_dim] of a batch."""
        self._seen.append(style)

    @torch.no_grad()
    def shares(self) -> list[float]:
        """Share of all choices that fell on each expert, over layers and styles; they sum to 1. Begins a new count."""
        styles, self._seen = torch.cat(self._seen).float(), []
        chosen = torch.cat([layer.cond_gate(styles).indices.flatten() for layer in self._layers])
        return (torch.bincount(chosen, minlength=self._layers[0].config.experts) / len(chosen)).tolist()
