"""The run-time branch equals its formula, whether most tokens or few tokens have a style."""

import pytest
import torch
from styleroute.moe.branch import LayerBranch, PairRows, TokenWeights
from styleroute.moe.collapse import LowRank


@pytest.mark.parametrize("styled", [0, 1, 5, 7, 10])
def test_the_change_is_weighted_for_each_token(styled: int) -> None:
    generator = torch.Generator().manual_seed(styled)
    pair = LowRank(up=torch.randn(6, 2, generator=generator), down=torch.randn(2, 4, generator=generator))
    hidden, output = torch.randn(1, 10, 4, generator=generator), torch.randn(1, 10, 8, generator=generator)
    weights = torch.zeros(1, 10)
    weights[:, :styled] = torch.rand(styled, generator=generator) + 0.1
    expected = output.clone()
    expected[..., 2:] += 0.5 * weights[..., None] * (hidden @ pair.down.T @ pair.up.T)
    found = output.clone()
    LayerBranch([PairRows(pair, (2, 6))]).add_to(found, hidden, TokenWeights.of(weights), 0.5)
    torch.testing.assert_close(found, expected)
    assert torch.equal(found[:, styled:], output[:, styled:])
    assert torch.equal(found[..., :2], output[..., :2])


def test_few_tokens_are_picked_and_most_tokens_are_not() -> None:
    weights = torch.tensor([[0.0, 0.5, 0.0, 0.0]])
    few, most = TokenWeights.of(weights), TokenWeights.of(1 - weights)
    assert few.positions is not None
    assert few.positions.tolist() == [1]
    assert most.positions is None
    assert most.count == 4
