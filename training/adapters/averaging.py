"""The exponential moving average of trained weights (EMA)."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor


class WeightAverage:
    """Averages weights over the steps of a training, and lends the average to the model.

    After update t = 1, 2, ... the average is d_t * average + (1 - d_t) * weight, with d_t = min(decay, (1 + t) /
    (10 + t)). It starts as a copy of the initial weights, which the smaller d_t of the first updates let it forget. A
    decay of 0.999 averages over about the last 1,000 steps.

    Args:
        weights: the trained weights by name.
        decay: the largest d_t, from 0 to less than 1.
    """

    def __init__(self, weights: Mapping[str, Tensor], decay: float) -> None:
        self._weights, self._decay = weights, decay
        self.average = {name: weight.detach().float().clone() for name, weight in weights.items()}

    @torch.no_grad()
    def update(self, number: int) -> None:
        """Follow update `number` of the weights; the first one has the number 1."""
        kept = min(self._decay, (1 + number) / (10 + number))
        for name, weight in self._weights.items():
            self.average[name].lerp_(weight.float(), 1 - kept)

    @torch.no_grad()
    def load(self, stored: Mapping[str, Tensor]) -> None:
        """Take over the average of a checkpoint."""
        for name, average in self.average.items():
            average.copy_(stored[name])

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Within the block the weights are the average; afterwards they are the trained ones again, bit for bit."""
        trained = {name: weight.detach().clone() for name, weight in self._weights.items()}
        self._set(self.average)
        try:
            yield
        finally:
            self._set(trained)

    @torch.no_grad()
    def _set(self, values: Mapping[str, Tensor]) -> None:
        for name, weight in self._weights.items():
            weight.copy_(values[name])
