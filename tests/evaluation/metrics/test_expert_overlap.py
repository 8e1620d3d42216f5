"""Expert overlap on choices with known answers."""

from itertools import combinations

import pytest
import torch
from styleroute.evaluation.metrics import chance_overlap, expert_overlap


def test_the_overlap_is_the_mean_of_the_layers_intersection_over_union() -> None:
    # First layer: {0, 1} and {1, 0} are the same set, {1, 2} shares one of three. Second: equal, and disjoint.
    chosen = {"a": torch.tensor([[0, 1], [1, 0], [1, 2]]), "b": torch.tensor([[3, 0], [0, 3], [1, 2]])}
    overlap = expert_overlap(chosen, experts=4)
    expected = torch.tensor([[1, 1, 1 / 6], [1, 1, 1 / 6], [1 / 6, 1 / 6, 1]])
    torch.testing.assert_close(overlap, expected)


@pytest.mark.parametrize(("experts", "top_k"), [(16, 2), (5, 3), (4, 4)])
def test_chance_is_the_mean_over_all_sets(experts: int, top_k: int) -> None:
    first = set(range(top_k))
    every = [set(found) for found in combinations(range(experts), top_k)]
    mean = sum(len(first & other) / len(first | other) for other in every) / len(every)
    assert chance_overlap(experts, top_k) == pytest.approx(mean)
