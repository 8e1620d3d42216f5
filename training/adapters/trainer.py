"""Training of an adapter of a frozen transformer, on one or many devices; a resumed run is bit-identical."""

import math
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from accelerate import Accelerator
from diffusers import FluxTransformer2DModel
from torch import Tensor, nn

from ...errors import TrainingError
from ...progress import track_steps
from ...storage.disk_space import require_room
from ..run_folder import CHECKPOINT_FILE, RunFolder
from .config import TrainConfig
from .optimizer import build_optimizer, rate_share

LOG_EVERY = 10
"""Steps between two points of a curve."""

LOSSES = 50
"""Number of losses that a checkpoint keeps, those of the last steps."""


@dataclass
class AdapterTrainer(ABC):
    """Trains an adapter of ``transformer``; checkpoints and curves go to the run's folder.

    A step uses ``accumulation`` batches on each of W processes. All batches are numbered in one sequence: two processes
    give the same weights as one process with twice the accumulation.

    Attributes:
        config: the options.
        run: the run's folder.
        accelerator: the process and its device.
        transformer: the base model; `add_adapter` freezes it.
        examples: the training examples, as `compute_losses` reads them.
        identity: digest of examples and base model; a run resumes only with the same.
        step: number of finished steps.
        losses: the losses so far; after a resume, those of the checkpoint first.
        whole: False while an update is half applied, when the weights belong to no step.
        trained: the adapter's parameters by name.
    """

    materials: ClassVar[str] = "examples or another base"
    """Inputs of a run, for the error message when a resumed run finds other inputs."""

    config: TrainConfig
    run: RunFolder
    accelerator: Accelerator
    transformer: FluxTransformer2DModel
    examples: Any
    identity: str
    step: int = 0
    losses: list[float] = field(default_factory=list)
    whole: bool = True

    def __post_init__(self) -> None:
        options = self.config.optimisation
        self.steps, self._started, self._stopping = options.steps, time.monotonic(), False
        self._saved = 0
        self.transformer.to(self.accelerator.device)
        self.trained: dict[str, nn.Parameter] = self.add_adapter()
        if options.checkpointing:
            self.transformer.enable_gradient_checkpointing()
        optimizer = build_optimizer(options, list(self.trained.values()), self.accelerator.device)
        self._restore(optimizer)
        self._require_room()
        if self.compiles:
            self.transformer.compile(dynamic=False)
        self._model, self._optimizer = self.accelerator.prepare(self.transformer, optimizer)

    @abstractmethod
    def add_adapter(self) -> dict[str, nn.Parameter]:
        """Freeze the transformer and add the adapter; returns its parameters by the names of the published layout."""

    @abstractmethod
    def compute_losses(self, number: int) -> dict[str, Tensor]:
        """Losses by name of the batch with this number on this process; "loss" is minimised, the rest is logged."""

    def curves(self) -> dict[str, float]:
        """Further logged values by name."""
        return {}

    @property
    def compiles(self) -> bool:
        """Whether the transformer is compiled with torch.compile."""
        return False

    @property
    def title(self) -> str:
        """Label of the progress bar."""
        return self.run.path.name

    def train(self, on_step: Callable[[int], None] | None = None) -> None:
        """Train up to the last step or the time limit. Ctrl-C stops after the current step.

        Args:
            on_step: called after every step with its number, on every process.

        Raises:
            TrainingError: a loss or gradient is not finite; the last good checkpoint stays.
            KeyboardInterrupt: the training was interrupted, and has saved a checkpoint.
        """
        with self._interruptible():
            for step in track_steps(self, self.title):
                losses = self._update(step)
                self._log(step, losses)
                if self.step % self.config.run.save_every == 0:
                    self.save()
                if on_step is not None:
                    on_step(self.step)
        self.save()
        if self._stopping:
            raise KeyboardInterrupt

    def remaining(self) -> Iterator[int]:
        """Step numbers up to the last step or the time limit; all processes stop at the same step."""
        while self.step < self.steps and not self._ends():
            yield self.step

    def save(self) -> None:
        """Write a checkpoint of a new step. Only the first process writes.

        Raises:
            TrainingError, StorageError: a weight is not finite, or the disk is full; the previous checkpoint stays.
        """
        if self.accelerator.is_main_process:
            if self.step != self._saved:
                self.require_finite_weights()
                self.run.save(self._state())
            self.run.curves.flush()
        self._saved = self.step
        self.accelerator.wait_for_everyone()

    def _state(self) -> dict[str, Any]:
        state = {"step": self.step, "losses": self.losses[-LOSSES:], "examples": self.identity}
        state["processes"] = self.accelerator.num_processes
        state["adapter"] = {name: parameter.detach().cpu() for name, parameter in self.trained.items()}
        return {**state, "optimizer": self._optimizer.state_dict()}

    def own_number(self, number: int) -> tuple[int, torch.Generator]:
        """The batch's number in the sequence over all processes, and a noise generator seeded from it."""
        number = number * self.accelerator.num_processes + self.accelerator.process_index
        # Both numbers hashed into 32 bits: torch's CPU generator ignores the upper bits of a seed.
        seed = np.random.SeedSequence((self.config.optimisation.seed, number)).generate_state(1).item()
        return number, torch.Generator().manual_seed(seed)

    def _update(self, step: int) -> dict[str, float]:
        """One optimiser step; returns the mean losses by name."""
        found = self._accumulate(step)
        norm = self.accelerator.clip_grad_norm_(list(self.trained.values()), 1.0)
        self._require_finite(step, {**found, "gradient": norm.item()})
        options = self.config.optimisation
        for group in self._optimizer.param_groups:
            group["lr"] = options.rate * rate_share(options, step)
        self.whole = False
        self._optimizer.step()
        self.step, self.whole = step + 1, True
        self._optimizer.zero_grad()
        self.losses.append(found["loss"])
        return found

    def _accumulate(self, step: int) -> dict[str, float]:
        """Sum the gradients of a step's batches; returns the mean losses by name, over batches and processes."""
        count, parts = self.config.optimisation.accumulation, []
        for part in range(count):
            with self._no_sync(last=part == count - 1):
                losses = self.compute_losses(step * count + part)
                self.accelerator.backward(losses["loss"] / count)
            parts.append(torch.stack([loss.detach() for loss in losses.values()]))
        means = self.accelerator.reduce(torch.stack(parts).mean(0), "mean").tolist()
        return dict(zip(losses, means, strict=True))

    def _no_sync(self, last: bool) -> AbstractContextManager:
        return nullcontext() if last else self.accelerator.no_sync(self._model)

    def _log(self, step: int, losses: Mapping[str, float]) -> None:
        if step % LOG_EVERY or not self.accelerator.is_main_process:
            return
        values = {**losses, "rate": self._optimizer.param_groups[0]["lr"], **self.curves()}
        for name, value in values.items():
            self.run.curves.add_scalar(name, value, step)

    def _ends(self) -> bool:
        """Whether any process was interrupted or is past the time limit."""
        ends = self._stopping or time.monotonic() - self._started >= self.config.run.minutes * 60
        flag = torch.tensor(float(ends), device=self.accelerator.device)
        return self.accelerator.reduce(flag, "sum").item() > 0

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        """The first Ctrl-C lets the current step finish: a half applied update belongs to no step."""

        def stop(*_: Any) -> None:
            if self._stopping:
                raise KeyboardInterrupt
            self._stopping = True

        try:
            before = signal.signal(signal.SIGINT, stop)
        except ValueError:  # not the main thread
            yield
            return
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _restore(self, optimizer: torch.optim.Optimizer) -> None:
        state = self.run.restore()
        if state is not None:
            if state["examples"] != self.identity:
                raise TrainingError(
                    f"{self.run.path} holds a run on other {self.materials}. Give the same inputs to resume it, or "
                    "another --run for a new run"
                )
            self._require_processes(state["processes"])
            with torch.no_grad():
                for name, parameter in self.trained.items():
                    parameter.copy_(state["adapter"][name])
            optimizer.load_state_dict(state["optimizer"])
            self.step, self.losses = state["step"], state["losses"]
            self._saved = self.step
        self._require_same_step()

    def _require_room(self) -> None:
        """Check the disk for two checkpoints, because the old one stays until the new one is whole.

        A checkpoint holds the weights and AdamW's two moments in float32.

        Raises:
            StorageError: the disk has too little room.
        """
        if not self.accelerator.is_main_process or self.step >= self.steps:
            return
        checkpoint = 3 * 4 * sum(parameter.numel() for parameter in self.trained.values())
        old = self.run.path / CHECKPOINT_FILE
        taken = old.stat().st_size if old.exists() else 0
        require_room(self.run.path, 2 * checkpoint - min(taken, checkpoint), "checkpoints")

    def _require_processes(self, before: int) -> None:
        """Refuse another number of processes: the batches are numbered over all processes, so a step would change."""
        now = self.accelerator.num_processes
        if before != now:
            raise TrainingError(
                f"{self.run.path} holds a run on {before} processes, this run has {now}. Start {before} to resume it, "
                "or give another --run for a new run"
            )

    def _require_same_step(self) -> None:
        step = torch.tensor([self.step], device=self.accelerator.device)
        steps = self.accelerator.gather(step).unique().tolist()
        if len(steps) > 1:
            raise TrainingError(
                f"the processes found checkpoints of different steps, {steps}, in {self.run.path}: "
                "give a --run on a disk that all machines share"
            )

    def require_finite_weights(self, dtype: torch.dtype = torch.float32) -> None:
        """Check the weights as they are saved, in `dtype`.

        Raises:
            TrainingError: a weight is not finite.
        """
        for name, parameter in self.trained.items():
            if not parameter.detach().to(dtype).isfinite().all():
                raise TrainingError(
                    f"the weights of {name} are not finite after step {self.step}. Training stopped; the last "
                    f"checkpoint in {self.run.path} is from before this step. Lower --rate and start a new --run"
                )

    def _require_finite(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            if not math.isfinite(value):
                raise TrainingError(
                    f"the {name} of step {step} is {value}. Training stopped; the last checkpoint in {self.run.path} "
                    "is from before this step. Lower --rate or give --precision no, and start a new --run"
                )
