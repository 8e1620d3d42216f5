"""The limits of memory, on models of a real width: minutes long, and no timing."""

import pytest
from styleroute.benchmarks import experts

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("batch", "cells"), [(1, 64), (8, 32)])
def test_a_step_with_experts_takes_little_more_memory_than_one_with_a_lora_of_the_kept_rank(batch, cells) -> None:
    """Of fewer tokens than these the states of all experts are more than the activations that are saved."""
    ours, theirs = (experts._alone(side, batch, cells) for side in experts.SIDES)
    assert ours < experts.MEMORY_LIMIT * theirs
