"""The load-balancing loss: 1 for equal use, E for a single expert, and a gradient that spreads the choices."""

import torch
from styleroute.training.experts.balance import balance_loss
from styleroute.training.experts.routed_linear import AdapterConfig, BatchStyle, RoutedLinear

CONFIG = AdapterConfig(experts=4, rank=1, shared_rank=1, top_k=1, cond_dim=4)


def _layer(gates: torch.Tensor) -> dict[str, RoutedLinear]:
    layer = RoutedLinear(torch.nn.Linear(2, 2), BatchStyle(), CONFIG)
    layer.cond_gate.weight.data = gates
    return {"layer": layer}


def test_equal_use_gives_one_and_a_single_expert_gives_their_number() -> None:
    styles = torch.eye(4)
    assert balance_loss(_layer(50 * torch.eye(4)), styles).item() == 1
    alone = torch.zeros(4, 4)
    alone[2] = 50
    assert abs(balance_loss(_layer(alone), styles).item() - 4) < 1e-3


def test_its_gradient_spreads_the_choices() -> None:
    torch.manual_seed(0)
    styles = torch.nn.functional.normalize(torch.randn(64, 4), dim=1)
    gates = torch.randn(4, 4) * 0.1
    gates[1] += styles.mean(0) * 2
    layer = _layer(gates)
    optimizer = torch.optim.Adam([layer["layer"].cond_gate.weight], lr=0.02)
    before = balance_loss(layer, styles).item()
    for _ in range(200):
        optimizer.zero_grad()
        loss = balance_loss(layer, styles)
        loss.backward()
        optimizer.step()
    assert loss.item() < min(1.05, before)
