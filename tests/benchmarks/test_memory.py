"""Memory limits on models of a real width, which take minutes; time is not measured."""

import pytest
from styleroute.benchmarks import experts

MARGIN = 1.05
"""Memory differs a little between machines. `styleroute benchmark training` compares it with its goal."""
pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("batch", "cells"), [(1, 64), (8, 32)])
def test_a_step_with_experts_needs_little_more_memory_than_a_lora_of_the_chosen_rank(batch, cells) -> None:
    """With fewer tokens, the states of all experts exceed the saved activations."""
    ours, theirs = (experts.peak_of_side(side, batch, cells) for side in experts.SIDES)
    assert ours < MARGIN * theirs
