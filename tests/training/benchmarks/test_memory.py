"""The limits of memory, on models of a real width: minutes long, and no timing."""

import pytest
from styleroute.training.benchmarks import experts

CELLS = 32

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("batch", [1, 8])
def test_a_step_with_experts_takes_little_more_memory_than_one_with_a_lora_of_the_kept_rank(batch: int) -> None:
    ours, theirs = (experts._alone(side, batch, CELLS) for side in experts.SIDES)
    assert ours < experts.MEMORY_LIMIT * theirs
