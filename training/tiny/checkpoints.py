"""A resumable training stage: its checkpoint on disk, its time limit and its learning rate schedule."""

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
        name: file name of the checkpoint, without ending.
        folder: folder of the checkpoints.
        steps: number of steps of the whole schedule.
        minutes: time limit of this start in minutes; the next start resumes from the checkpoint.
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
        """Loads modules and optimisers by name from the checkpoint; returns False if there is none."""
        if not self.path.exists():
            return False
        state = torch.load(self.path, weights_only=True)
        self.step = state["step"]
        for name, part in parts.items():
            part.load_state_dict(state[name])
        return True

    def save(self, **parts: Any) -> None:
        """Writes the checkpoint."""
        state = {"step": self.step, **{name: part.state_dict() for name, part in parts.items()}}
        with whole_file(self.path) as partial:
            torch.save(state, partial)

    def remaining(self) -> Iterator[int]:
        """Yields the remaining step numbers, until the schedule or the time limit ends."""
        while self.step < self.steps and time.monotonic() - self.started < self.minutes * 60:
            # The step counts before the caller runs it, so that a checkpoint of the caller names the next step.
            self.step += 1
            yield self.step - 1

    def rate(self, warmup: int = 50, floor: float = 0.05) -> float:
        """Returns the share of the peak learning rate at this step: a warm-up, then a cosine down to ``floor``."""
        progress = min(self.step / self.steps, 1.0)
        return min(self.step / warmup, 1.0) * (floor + (1 - floor) * (1 + math.cos(math.pi * progress)) / 2)
