import pytest
import torch
from styleroute.training.experts.routed_linear import AdapterConfig, BatchStyle, RoutedLinear
from styleroute.training.experts.usage import ExpertUsage
from torch import nn

CONFIG = AdapterConfig(experts=3, rank=1, shared_rank=1, top_k=2, cond_dim=2)


def _layer(gate: list[list[float]]) -> RoutedLinear:
    layer = RoutedLinear(nn.Linear(2, 2), BatchStyle(), CONFIG)
    layer.cond_gate.weight.data = torch.tensor(gate, dtype=torch.float32)
    return layer


def test_shares_over_layers_and_styles_sum_to_one_and_begin_anew() -> None:
    # Style (1, 0) is sent to the experts 0 and 1 by both layers, (0, 1) to 1 and 2 by one and to 0 and 2 by the other.
    layers = {"a": _layer([[2, 0], [1, 1], [0, 2]]), "b": _layer([[2, 2], [1, 0], [0, 1]])}
    usage = ExpertUsage(layers)
    usage.add(torch.tensor([[1.0, 0.0]]))
    usage.add(torch.tensor([[0.0, 1.0]]))
    shares = usage.shares()
    assert shares == pytest.approx([3 / 8, 3 / 8, 2 / 8])
    assert sum(shares) == pytest.approx(1)
    usage.add(torch.tensor([[1.0, 0.0]]))
    assert usage.shares() == pytest.approx([0.5, 0.5, 0])
