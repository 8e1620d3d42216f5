"""The ratios that ComfyUI's process measures: those with a bound, and other methods for comparison."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from .measurement import NOISE
from .random_files import LORA_RANK

BOUND_FROM = 1024
"""Smallest hidden size whose ratios have a bound. Smaller models only show how ratios grow."""
HIDDEN = (256, 1024, 3072)
"""Hidden sizes of the measured models, from small to FLUX.1's."""
WIDE = 3072
"""Hidden size of FLUX.1."""
STOCK = f"stock LoRA loader, rank {LORA_RANK}"
Bound = Callable[[int], float]
"""Gives the largest allowed ratio at a hidden size."""


@dataclass(frozen=True)
class Case:
    """Two sides that alternate in one run.

    Attributes:
        what: the measured work.
        against: the work of the other side.
        ours: name of our side in the benchmark's node pack.
        theirs: name of the other side.
        kind: a sampling step, or a change of style until the first step.
        bound: the largest allowed ratio of time; None for a comparison.
        memory_bound: the same for the peak memory.
        has_memory: whether the peak memory is a row of its own.
    """

    what: str
    against: str
    ours: str
    theirs: str
    kind: Literal["step", "change"] = "step"
    bound: Bound | None = None
    memory_bound: Bound | None = None
    has_memory: bool = False

    def limit(self, hidden: int) -> float | None:
        """The largest allowed ratio of time at a hidden size."""
        return None if self.bound is None or hidden < BOUND_FROM else self.bound(hidden)

    def memory_limit(self, hidden: int) -> float | None:
        """The largest allowed ratio of peak memory at a hidden size."""
        return None if self.memory_bound is None or hidden < BOUND_FROM else self.memory_bound(hidden)


def _at_most(ratio: float) -> Bound:
    return lambda hidden: ratio


def _whole_image(hidden: int) -> float:
    """The branch costs 2R / hidden of a layer."""
    return 1.02 if hidden >= WIDE else 1.03


STEP, CHANGE = "the bare step", "change of style until the first step"
CASES = (
    Case("step, style in the weights (patch)", STEP, "patch", "bare, moved", bound=_at_most(1 + NOISE)),
    Case("step, style at run time (branch)", STEP, "branch", "bare", bound=_whole_image),
    Case("step, two styles in two masks", STEP, "two masks", "bare", bound=_at_most(1.05)),
    Case("step, two styles on two named objects", STEP, "two objects", "bare", bound=_at_most(1.08)),
    Case(
        "step, maps of every block captured",
        STEP,
        "captured maps",
        "bare",
        bound=_at_most(1.03),
        memory_bound=_at_most(1.02),
        has_memory=True,
    ),
    Case(f"{CHANGE}, patch", STOCK, "patch", "stock LoRA", "change", _at_most(0.7)),
    Case(f"{CHANGE}, branch", STOCK, "branch", "stock LoRA", "change", _at_most(0.2)),
)
"""The ratios with a bound."""
PEERS = (
    Case(f"step, {STOCK}", STEP, "stock LoRA", "bare, moved"),
    Case(f"step, core's bypass LoRA of rank {LORA_RANK}", STEP, "bypass LoRA", "bare"),
    Case(f"{CHANGE}, core's bypass LoRA", STOCK, "bypass LoRA", "stock LoRA", "change"),
    Case("step, maps from the whole softmax", STEP, "whole softmax", "bare", has_memory=True),
)
"""Other methods, for comparison. The bypass LoRA has one pair for q, k and v, because core's node ignores the parts of
fused layers."""


def cases_of(*sides: str, kind: str | None = None) -> tuple[Case, ...]:
    """The cases whose first side has one of these names."""
    return tuple(case for case in _all() if case.ours in sides and kind in (None, case.kind))


def _all() -> Iterable[Case]:
    return (*CASES, *PEERS)
