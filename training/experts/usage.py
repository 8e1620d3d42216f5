"""Usage of each expert. A mixture whose router always chooses the same experts is no better than a plain LoRA."""

from collections.abc import Mapping

import torch
from torch import Tensor

from .routed_linear import RoutedLinear


class ExpertUsage:
    """Counts the choices of all layers' routers for the styles since the last count."""

    def __init__(self, routed: Mapping[str, RoutedLinear]) -> None:
        self._layers = list(routed.values())
        self._styles: list[Tensor] = []

    def add(self, style: Tensor) -> None:
        """Add the style embeddings [B, cond_dim] of a batch."""
        self._styles.append(style)

    @torch.no_grad()
    def shares(self) -> list[float]:
        """Share of each expert among all choices, over layers and styles; the shares sum to 1. Starts a new count."""
        styles, self._styles = torch.cat(self._styles).float(), []
        chosen = torch.cat([layer.cond_gate(styles).indices.flatten() for layer in self._layers])
        return (torch.bincount(chosen, minlength=self._layers[0].config.experts) / len(chosen)).tolist()
