"""Training in pieces: a stage's state on disk, written whole or not at all, and a clock that ends a piece."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from ...storage.whole_file import whole_file


@dataclass
class Stage:
    """Progress of one training stage.

    Args:
        name: file name of its checkpoint.
        folder: where checkpoints lie.
        steps: length of the whole schedule.
        minutes: how long this piece may run; the next run goes on where it stopped.
    """

    name: str
    folder: Path
    steps: int
    minutes: float
    step: int = 0
    started: float = field(default_factory=time.monotonic)
    losses: list[float] = field(default_factory=list)

    @property
    def path(self) -> Path:
        return self.folder / f"{self.name}.pt"

    def restore(self, **parts: Any) -> bool:
        """Load modules and optimisers by name from the checkpoint; False when there is none."""
        if not self.path.exists():
            return False
        state = torch.load(self.path, weights_only=True)
        self.step = state["step"]
        for name, part in parts.items():
            part.load_state_dict(state[name])
        return True

    def save(self, **parts: Any) -> None:
        """Write the checkpoint."""
        state = {"step": self.step, **{name: part.state_dict() for name, part in parts.items()}}
        with whole_file(self.path) as partial:
            torch.save(state, partial)

    def remaining(self) -> Iterator[int]:
        """The steps still to do, until the schedule or this piece's minutes end."""
        while self.step < self.steps and time.monotonic() - self.started < self.minutes * 60:
            # Counted before the body runs, so that a checkpoint written in it names the next step to do.
            self.step += 1
            yield self.step - 1

    def rate(self, warmup: int = 50, floor: float = 0.05) -> float:
        """Share of the peak learning rate at this step: a short warm-up, then a cosine down to ``floor``."""
        progress = min(self.step / self.steps, 1.0)
        return min(self.step / warmup, 1.0) * (floor + (1 - floor) * (1 + math.cos(math.pi * progress)) / 2)
