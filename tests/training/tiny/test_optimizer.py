"""Which weights Muon takes and which AdamW, and how the rate is set."""

import pytest
import torch
from pytorch_optimizer import Muon
from styleroute.training.tiny.optimizer import Float32Muon, build_optimizer, set_rate
from torch import nn


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.from_rgb = nn.Conv2d(3, 16, 3)
        self.hidden = nn.Conv2d(16, 16, 3)
        self.linear = nn.Linear(16, 32)
        self.words = nn.Embedding(10, 16)
        self.frozen = nn.Linear(16, 16).requires_grad_(False)


def _names(model: nn.Module, group: dict) -> set[str]:
    return {name for name, weight in model.named_parameters() if any(weight is other for other in group["params"])}


def test_muon_takes_matrices_and_adamw_the_rest() -> None:
    model = Model()
    muon, adamw = build_optimizer(model, matrix_rate=3e-3, rate=1e-3).param_groups
    assert muon["use_muon"]
    assert not adamw["use_muon"]
    assert _names(model, muon) == {"hidden.weight", "linear.weight"}
    assert _names(model, adamw) == {"from_rgb.weight", "from_rgb.bias", "hidden.bias", "linear.bias", "words.weight"}


def test_float32_makes_the_steps_of_bfloat16() -> None:
    """The directions agree as well as the rounding of bfloat16 allows, for matrices and for convolutions."""
    torch.manual_seed(0)
    gradients = {"linear": torch.randn(32, 16), "convolution": torch.randn(16, 16, 3, 3)}
    steps = []
    for kind in (Muon, Float32Muon):
        weights = {name: nn.Parameter(torch.zeros_like(value)) for name, value in gradients.items()}
        for name, weight in weights.items():
            weight.grad = gradients[name].clone()
        kind([{"params": list(weights.values()), "lr": 1.0, "use_muon": True, "use_adjusted_lr": True}]).step()
        steps.append(torch.cat([weight.detach().flatten() for weight in weights.values()]))
    cosine = torch.nn.functional.cosine_similarity(*steps, dim=0).item()
    assert cosine > 0.995
    assert steps[1].norm().item() == pytest.approx(steps[0].norm().item(), rel=0.02)


def test_a_step_of_a_matrix_has_the_size_that_its_rate_says() -> None:
    """Moonlight's scaling: an orthogonal update times 0.2 sqrt(max(out, in)) has a root mean square of about 0.2."""
    torch.manual_seed(0)
    model = nn.Linear(64, 64, bias=False)
    before = model.weight.detach().clone()
    optimizer = build_optimizer(model, matrix_rate=1e-2, rate=1.0)
    (model(torch.randn(256, 64)) * torch.randn(256, 64)).sum().backward()
    optimizer.step()
    change = (model.weight.detach() - before).pow(2).mean().sqrt().item()
    assert change == pytest.approx(0.2 * 1e-2, rel=0.25)


def test_the_share_is_of_the_first_rate_however_often_it_is_set() -> None:
    optimizer = build_optimizer(Model(), matrix_rate=3e-3, rate=1e-3)
    for share in (0.5, 0.1):
        set_rate(optimizer, share)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([3e-4, 1e-4])
