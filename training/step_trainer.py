"""Training step by step: the time limit, interruption, checkpoints and finite values of every trainer."""

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.optim import Optimizer

from ..errors import TrainingError
from ..interruption import Interruption
from ..progress import console, track_steps
from .checkpoint import Checkpoint
from .loss_lines import LOG_EVERY, LossLines

LOSSES = 50
"""Number of losses that a checkpoint keeps, those of the last steps."""


@dataclass(frozen=True)
class Limits:
    """Where a training ends, and how often it saves and prints.

    Attributes:
        steps: number of all steps.
        minutes: time limit of this start in minutes.
        save_every: steps between two checkpoints.
        log_every: steps between two printed lines with the losses; 0 for none.
    """

    steps: int
    minutes: float
    save_every: int
    log_every: int = LOG_EVERY


@dataclass
class StepTrainer(ABC):
    """Runs the steps of a training. A checkpoint belongs to a whole step, and a resumed run is bit-identical.

    A subclass computes the gradients of a step. It calls `restore` when its weights and its optimiser exist.

    Attributes:
        step: number of finished steps.
        losses: the losses so far; after a resume, those of the checkpoint first.
        whole: False while an update is half applied, when the weights belong to no step.
        optimizer: the optimiser of the weights; a subclass sets it.
    """

    part: ClassVar[str] = "model"
    """Name of the weights in a checkpoint."""
    materials: ClassVar[str] = "inputs"
    """Inputs of a run, for the error message when a resumed run finds other inputs."""
    remedy: ClassVar[str] = "Lower --rate, and start a new --run"
    """What to do after a value that is not finite."""

    step: int = field(default=0, init=False)
    losses: list[float] = field(default_factory=list, init=False)
    whole: bool = field(default=True, init=False)

    def __post_init__(self) -> None:
        self._started, self._saved = time.monotonic(), 0
        self._interruption, self._lines = Interruption(), LossLines()

    @property
    @abstractmethod
    def limits(self) -> Limits:
        """The number of steps, the time limit and the interval of checkpoints."""

    @property
    @abstractmethod
    def checkpoint(self) -> Checkpoint:
        """The file that the training saves to and resumes from."""

    @property
    @abstractmethod
    def title(self) -> str:
        """Label of the progress bar."""

    @abstractmethod
    def weights(self) -> Mapping[str, Tensor]:
        """The weights that a checkpoint holds, by name; they share memory with the model."""

    @abstractmethod
    def compute_gradients(self, step: int) -> tuple[dict[str, float], float]:
        """Fill in the gradients of a step; returns its losses by name, among them "loss", and the gradient's norm."""

    @abstractmethod
    def set_rate(self, step: int) -> None:
        """Set the learning rate of a step."""

    def log(self, step: int, losses: Mapping[str, float], norm: float) -> None:  # noqa: B027 - optional
        """Record the values of a step as curves. By default nothing is recorded."""

    def after_update(self, step: int) -> None:  # noqa: B027 - optional
        """Follow an update of the weights. It belongs to the step, so that a checkpoint contains both or neither."""

    def flush(self) -> None:  # noqa: B027 - optional
        """Write the recorded curves to disk."""

    @property
    def identity(self) -> str | None:
        """Digest of all inputs; a run resumes only with the same. None: any inputs."""
        return None

    @property
    def steps(self) -> int:
        """Number of all steps."""
        return self.limits.steps

    @property
    def saves(self) -> bool:
        """Whether this process writes the checkpoints."""
        return True

    def any_process(self, flag: bool) -> bool:
        """Whether the flag is set in any process of the training."""
        return flag

    def wait(self) -> None:  # noqa: B027 - optional
        """Wait for the other processes of the training."""

    def train(self, on_step: Callable[[int], None] | None = None) -> None:
        """Train up to the last step or the time limit. Ctrl-C and SIGTERM stop after the current step.

        Args:
            on_step: called after every step with its number, on every process.

        Raises:
            TrainingError: a loss, gradient or weight is not finite; the last good checkpoint stays.
            Stopped: a signal stopped the training, and the checkpoint is written.
            KeyboardInterrupt: a second Ctrl-C came within a step; the checkpoint before it stays.
        """
        with self._interruption:
            for step in track_steps(self, self.title):
                self.run_step(step)
                self._print_losses()
                if self.step % self.limits.save_every == 0:
                    self.save()
                if on_step is not None:
                    on_step(self.step)
            self.save()
        self._interruption.raise_noted()

    def remaining(self) -> Iterator[int]:
        """Step numbers up to the last step or the time limit; all processes stop at the same step."""
        while self.step < self.steps and not self.any_process(self._ends()):
            yield self.step

    def run_step(self, step: int) -> None:
        """Update the weights once.

        Raises:
            TrainingError: a loss or gradient is not finite; the weights stay.
        """
        losses, norm = self.compute_gradients(step)
        self._require_finite(step, {**losses, "gradient": norm})
        self.set_rate(step)
        self.whole = False
        self.optimizer.step()
        self.after_update(step)
        self.step, self.whole = step + 1, True
        self.optimizer.zero_grad()
        self.losses.append(losses["loss"])
        self._lines.add({**losses, "gradient": norm})
        self.log(step, losses, norm)

    def save(self) -> None:
        """Write a checkpoint of a new step.

        Raises:
            TrainingError, StorageError: a weight is not finite, or the disk is full; the previous checkpoint stays.
        """
        if self.saves:
            if self.step != self._saved:
                self.require_finite_weights()
                self.checkpoint.save(self.state())
            self.flush()
        self._saved = self.step
        self.wait()

    def state(self) -> dict[str, Any]:
        """All that a checkpoint holds."""
        state = {"step": self.step, "losses": self.losses[-LOSSES:], "examples": self.identity}
        state[self.part] = {name: weight.detach().cpu() for name, weight in self.weights().items()}
        return {**state, "optimizer": self.optimizer.state_dict()}

    def restore(self, optimizer: Optimizer) -> None:
        """Continue from the checkpoint, if there is one.

        Raises:
            TrainingError: the checkpoint is damaged, or belongs to a run on other inputs.
        """
        state = self.checkpoint.restore()
        if state is None:
            return
        self.require_same_run(state)
        self._require_same_shapes(state[self.part])
        self.load(state, optimizer)
        self._saved = self.step

    def load(self, state: Mapping[str, Any], optimizer: Optimizer) -> None:
        """Take over a checkpoint's weights, optimiser and step."""
        with torch.no_grad():
            for name, weight in self.weights().items():
                weight.copy_(state[self.part][name])
        optimizer.load_state_dict(state["optimizer"])
        self.step, self.losses = state["step"], state.get("losses", [])

    def require_same_run(self, state: Mapping[str, Any]) -> None:
        """Check that the checkpoint belongs to a run on the same inputs.

        Raises:
            TrainingError: it belongs to another run.
        """
        if self.identity is not None and state["examples"] != self.identity:
            raise TrainingError(
                f"{self.checkpoint.path.parent} holds a run on other {self.materials}. Give the same inputs to resume "
                "it, or another --run for a new run"
            )

    def require_finite_weights(self, dtype: torch.dtype = torch.float32) -> None:
        """Check the weights as they are saved, in `dtype`.

        Raises:
            TrainingError: a weight is not finite.
        """
        for name, weight in self.weights().items():
            if not weight.detach().to(dtype).isfinite().all():
                self._refuse(f"the weights of {name} are not finite after step {self.step}")

    def _print_losses(self) -> None:
        """Print the mean losses at every `log_every` steps and at the last step."""
        every = self.limits.log_every
        if every and (self.step % every == 0 or self.step >= self.steps):
            line = self._lines.take(self.title, self.step, self.steps)
            console.print(line, soft_wrap=True, markup=False, highlight=False)

    def _require_same_shapes(self, stored: Mapping[str, Tensor]) -> None:
        for name, weight in self.weights().items():
            found = list(stored[name].shape) if name in stored else "nothing"
            if found != list(weight.shape):
                raise TrainingError(
                    f"{self.checkpoint.path} has {found} for the weight {name}, expected {list(weight.shape)}. Resume "
                    "the run with the version that started it, or start a new run in another folder"
                )

    def _ends(self) -> bool:
        """Whether this process was interrupted or is past the time limit."""
        return self._interruption.noted or time.monotonic() - self._started >= self.limits.minutes * 60

    def _require_finite(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            if not math.isfinite(value):
                self._refuse(f"the {name} of step {step} is {value}")

    def _refuse(self, found: str) -> None:
        raise TrainingError(
            f"{found}. Training stopped; the last checkpoint in {self.checkpoint.path.parent} is from before this "
            f"step. {self.remedy}"
        )
