"""The batched MoE-LoRA layer against the paper's formula, one expert at a time, in float64."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from styleroute.moe import ExpertConfig, StyleExpert, save_expert
from styleroute.training.experts.routed_linear import (
    AdapterConfig,
    BatchStyle,
    RoutedLinear,
    add_experts,
    trained_state,
)
from torch import nn

EXPERTS, RANK, TOP_K, ALPHA, COND = 5, 3, 2, 6.0, 7
CONFIG = AdapterConfig(experts=EXPERTS, rank=RANK, shared_rank=RANK, top_k=TOP_K, alpha=ALPHA, cond_dim=COND)


def _layer(style: BatchStyle, config: AdapterConfig = CONFIG, trained: bool = True) -> RoutedLinear:
    torch.manual_seed(0)
    layer = RoutedLinear(nn.Linear(4, 6), style, config)
    if trained:
        _train(layer)
    return layer.double()


def _train(layer: RoutedLinear) -> None:
    """Set random up-projections."""
    for name, parameter in layer.named_parameters():
        if name.endswith("B"):
            nn.init.normal_(parameter)


def _formula(layer: RoutedLinear, hidden: torch.Tensor, embedding: torch.Tensor) -> torch.Tensor:
    """h' = l(h) + alpha / r (B_s A_s + sum_i w_i B_i A_i) h, row by row, expert by expert."""
    rows = []
    for row, style in zip(hidden, embedding, strict=True):
        logits = layer.cond_gate.weight @ style
        kept = logits.topk(TOP_K).indices
        weights = logits[kept].softmax(0)
        change = layer.shared_B[0] @ layer.shared_A[0]
        for index, weight in zip(kept, weights, strict=True):
            change = change + weight * (layer.loraB[index] @ layer.loraA[index])
        rows.append(layer.base(row) + ALPHA / RANK * row @ change.T)
    return torch.stack(rows)


def test_down_projections_start_as_in_the_release_and_a_plain_lora_as_in_peft() -> None:
    torch.manual_seed(0)
    base, sizes = nn.Linear(4096, 8), {"rank": 8, "shared_rank": 32, "cond_dim": COND}
    routed = RoutedLinear(base, BatchStyle(), AdapterConfig(experts=4, **sizes))
    assert routed.loraA.std().item() == pytest.approx(1 / 8, rel=0.02)
    assert routed.shared_A.std().item() == pytest.approx(1 / 32, rel=0.02)
    plain = RoutedLinear(base, BatchStyle(), AdapterConfig(experts=0, **sizes)).shared_A
    peft = get_peft_model(nn.Sequential(nn.Linear(4096, 8)), LoraConfig(r=32, target_modules=["0"]))
    expected = next(weight for name, weight in peft.named_parameters() if "lora_A" in name)
    assert plain[0].shape == expected.shape
    assert plain.std().item() == pytest.approx(expected.std().item(), rel=0.02)
    assert plain.abs().max().item() == pytest.approx(expected.abs().max().item(), rel=0.02)


def test_mixed_styles_in_one_batch_and_their_gradients() -> None:
    style = BatchStyle()
    layer = _layer(style)
    hidden = torch.randn(3, 5, 4, dtype=torch.float64, requires_grad=True)
    style.embedding = torch.randn(3, COND, dtype=torch.float64)
    # The gate's softmax runs in float32 by design, so the tolerance is 1e-5 instead of 1e-12.
    ours, exact = layer(hidden), _formula(layer, hidden, style.embedding)
    torch.testing.assert_close(ours, exact, rtol=1e-5, atol=1e-5)
    inputs = [hidden, layer.loraA, layer.loraB, layer.shared_A, layer.shared_B, layer.cond_gate.weight]
    weight = torch.randn_like(exact)
    gradients = (torch.autograd.grad((output * weight).sum(), inputs) for output in (ours, exact))
    for mine, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-4)


def test_an_untrained_expert_changes_nothing() -> None:
    style = BatchStyle()
    layer = _layer(style, trained=False)
    style.embedding = torch.randn(2, COND)
    hidden = torch.randn(2, 5, 4, dtype=torch.float64)
    assert torch.equal(layer(hidden), layer.base(hidden))


@pytest.mark.parametrize("shape", [(2, 4), (2, 5, 4)])
def test_vectors_and_sequences(shape: tuple[int, ...]) -> None:
    style = BatchStyle()
    layer = _layer(style)
    style.embedding = torch.randn(2, COND)
    assert layer(torch.randn(shape, dtype=torch.float64)).shape == (*shape[:-1], 6)


@pytest.mark.parametrize("routing", ["paper", "release-1"])
def test_a_row_without_its_routed_experts_has_the_shared_one_alone(routing: str) -> None:
    style = BatchStyle()
    layer = _layer(style, replace(CONFIG, routing=routing))
    hidden, embedding = torch.randn(2, 5, 4, dtype=torch.float64), torch.randn(2, COND)
    style.set(embedding)
    whole = layer(hidden)
    style.set(embedding, torch.tensor([1.0, 0.0]))
    dropped = layer(hidden)
    assert torch.equal(dropped[0], whole[0])
    assert not torch.allclose(dropped[1], whole[1])
    with torch.no_grad():
        layer.loraB.zero_()
    style.set(embedding)
    torch.testing.assert_close(dropped[1], layer(hidden)[1])


class _Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attn = nn.ModuleDict({"to_q": nn.Linear(8, 8), "norm_q": nn.Identity()})
        self.ff = nn.Module()
        self.norm1 = nn.Linear(8, 8)


@pytest.mark.parametrize("routing", ["paper", "release-1"])
def test_the_file_that_training_writes_collapses_to_the_layer_itself(tmp_path: Path, routing: str) -> None:
    model, style = nn.Module(), BatchStyle()
    model.transformer_blocks = nn.ModuleList([_Block()])
    routed = add_experts(model, style, replace(CONFIG, routing=routing))
    [(layer_name, layer)] = routed.items()
    assert layer_name == "transformer_blocks.0.attn.to_q"
    _train(layer)
    sizes = {"num_experts": EXPERTS, "rank": RANK, "shared_rank": RANK, "top_k": TOP_K, "cond_dim": COND}
    config = ExpertConfig(kind="style-moe", alpha=ALPHA, routing=routing, base="tiny-kontext", **sizes)
    save_expert(tmp_path / "experts.safetensors", trained_state(routed), config, None)

    style.embedding = torch.randn(1, COND)
    pair = StyleExpert.open(tmp_path / "experts.safetensors").collapse(style.embedding)[layer_name]
    hidden = torch.randn(1, 3, 8)
    exact = layer.base(hidden) + hidden @ (pair.up @ pair.down).T
    torch.testing.assert_close(layer(hidden), exact, rtol=1e-5, atol=1e-5)


def test_without_routed_experts_it_is_one_plain_lora() -> None:
    layer = _layer(BatchStyle(), AdapterConfig(experts=0, shared_rank=3, alpha=6.0))
    hidden = torch.randn(2, 5, 4, dtype=torch.float64)
    exact = layer.base(hidden) + 2.0 * hidden @ (layer.shared_B[0] @ layer.shared_A[0]).T
    torch.testing.assert_close(layer(hidden), exact)
    pair = [layer.shared_A, layer.shared_B]
    gradients = (torch.autograd.grad(output.square().sum(), pair) for output in (layer(hidden), exact))
    for mine, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, theirs)
    assert {name.split(".")[0] for name, _ in layer.named_parameters()} == {"base", "shared_A", "shared_B"}


def test_near_logits_keep_their_order_under_autocast() -> None:
    style = BatchStyle()
    layer = RoutedLinear(nn.Linear(4, 6), style, CONFIG)
    style.embedding = torch.ones(1, COND)
    logits = torch.tensor([0.0, 1.0001, 1.0, -1.0, 0.9999])
    with torch.no_grad():
        layer.cond_gate.weight.copy_(logits[:, None].expand(-1, COND) / COND)
    with torch.autocast("cpu", torch.bfloat16):
        indices, _ = layer._routing()
    assert indices.tolist() == [[1, 2]]
