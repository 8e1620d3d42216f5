"""InfoNCE against a literal double loop of the paper's formula, and where its value is known."""

import math

import pytest
import torch
from styleroute.training.style_encoder.loss import info_nce
from torch import Tensor


def literal(first: Tensor, second: Tensor, mine: Tensor, theirs: Tensor, tau: float) -> float:
    losses = []
    for e, style in zip(first, mine, strict=True):
        d = [(e @ other / (tau * e.norm() * other.norm())).item() for other in second]
        total = sum(math.exp(d_k) for d_k in d)
        mask = [1 if other == style else 0 for other in theirs]
        if not sum(mask):
            continue
        losses.append(-sum(m * math.log(math.exp(d_j) / total) for m, d_j in zip(mask, d, strict=True)) / sum(mask))
    return sum(losses) / len(losses)


@pytest.mark.parametrize(("styles", "tau"), [(3, 0.07), (3, 1.0), (12, 0.1)])
def test_it_is_the_papers_double_loop(styles: int, tau: float) -> None:
    generator = torch.Generator().manual_seed(styles)
    first, second = torch.randn(2, 10, 7, generator=generator, dtype=torch.float64)
    mine, theirs = torch.randint(styles, (2, 10), generator=generator)
    assert info_nce(first, second, mine, theirs, tau).item() == pytest.approx(
        literal(first, second, mine, theirs, tau), rel=1e-12
    )


def test_embeddings_that_are_all_equal_cost_log_b() -> None:
    labels = torch.arange(8) % 4
    loss = info_nce(torch.ones(8, 3), torch.full((8, 3), 2.0), labels, labels, 0.07)
    assert loss.item() == pytest.approx(math.log(8))


def test_orthogonal_styles_have_the_loss_of_the_formula() -> None:
    labels = torch.tensor([0, 0, 1, 1])
    embeddings = torch.eye(2)[labels] * 5
    expected = -math.log(math.exp(2) / (2 * math.exp(2) + 2))
    assert info_nce(embeddings, embeddings, labels, labels, 0.5).item() == pytest.approx(expected)


def test_a_row_without_a_match_is_left_out_of_the_mean_and_pulls_nowhere() -> None:
    first = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    second, mine, theirs = torch.randn(3, 4, dtype=torch.float64), torch.tensor([0, 1, 9]), torch.tensor([1, 0, 0])
    loss = info_nce(first, second, mine, theirs, 0.2)
    assert loss.item() == pytest.approx(info_nce(first[:2], second, mine[:2], theirs, 0.2).item())
    loss.backward()
    assert not first.grad[2].any()


def test_a_batch_without_any_match_costs_nothing() -> None:
    first = torch.randn(2, 4, requires_grad=True)
    loss = info_nce(first, torch.randn(2, 4), torch.tensor([0, 1]), torch.tensor([2, 3]), 0.1)
    loss.backward()
    assert loss.item() == 0
    assert not first.grad.any()
