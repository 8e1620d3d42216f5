"""A stage of the small Kontext's training: its checkpoint, its time limit and its learning rate schedule."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ..checkpoint import Checkpoint
from ..curves import Curves
from ..loss_lines import LOG_EVERY
from ..precision import cpu_autocast, has_bf16_kernels
from ..step_trainer import Limits, StepTrainer
from .optimizer import set_rate

SAVE_EVERY = 50
"""Steps between two checkpoints."""
WARMUP = 50
"""Steps until the full learning rate."""
FLOOR = 0.05
"""Share of the full learning rate at the last step."""


@dataclass(frozen=True)
class Stage:
    """One stage of a run.

    Attributes:
        name: name of the stage; its checkpoint is <folder>/<name>.pt.
        folder: folder of the checkpoints.
        steps: number of steps of the whole schedule.
        minutes: time limit of this start in minutes; the next start resumes from the checkpoint.
    """

    name: str
    folder: Path
    steps: int
    minutes: float

    @property
    def checkpoint(self) -> Checkpoint:
        return Checkpoint(self.folder / f"{self.name}.pt")

    @cached_property
    def curves(self) -> Curves:
        """The writer of this stage's curves."""
        return Curves(self.folder / "curves" / self.name)


@dataclass
class StageTrainer(StepTrainer):
    """Trains the model of a stage; a step's random choices depend only on its number.

    Attributes:
        stage: the stage.
        model: the model.
        optimizer: the optimiser of the model's weights.
        loss_of: returns the loss of a step.
        clip: upper limit for the norm of the gradient; infinite for no limit.
        bf16: whether the model computes in bfloat16. A resumed run computes as its first start did.
    """

    remedy: ClassVar[str] = "Lower the learning rates of this stage, and start a new --run"

    stage: Stage
    model: nn.Module
    optimizer: Optimizer
    loss_of: Callable[[int], Tensor]
    clip: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.bf16 = has_bf16_kernels()
        self.restore(self.optimizer)

    @property
    def title(self) -> str:
        return self.stage.name

    @property
    def limits(self) -> Limits:
        return Limits(self.stage.steps, self.stage.minutes, SAVE_EVERY)

    @property
    def checkpoint(self) -> Checkpoint:
        return self.stage.checkpoint

    def weights(self) -> Mapping[str, Tensor]:
        return self.model.state_dict()

    def compute_gradients(self, step: int) -> tuple[dict[str, float], float]:
        with cpu_autocast(self.bf16):
            loss = self.loss_of(step)
        loss.backward()
        trained = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        return {"loss": loss.item()}, torch.nn.utils.clip_grad_norm_(trained, self.clip).item()

    def set_rate(self, step: int) -> None:
        set_rate(self.optimizer, rate_share(step, self.steps))

    def log(self, step: int, losses: Mapping[str, float], norm: float) -> None:
        if step % LOG_EVERY == 0:
            self.stage.curves.add({**losses, "gradient norm": norm}, step)

    def flush(self) -> None:
        self.stage.curves.flush()

    def state(self) -> dict[str, Any]:
        return {**super().state(), "steps": self.steps, "bf16": self.bf16}

    def load(self, state: Mapping[str, Any], optimizer: Optimizer) -> None:
        super().load(state, optimizer)
        # Older versions always computed in bfloat16, and did not record it.
        self.bf16 = state.get("bf16", True)


def rate_share(step: int, steps: int, warmup: int = WARMUP, floor: float = FLOOR) -> float:
    """Share of the peak learning rate at a step: a warm-up, then a cosine down to ``floor``."""
    done = step + 1
    progress = min(done / steps, 1.0)
    return min(done / warmup, 1.0) * (floor + (1 - floor) * (1 + math.cos(math.pi * progress)) / 2)
