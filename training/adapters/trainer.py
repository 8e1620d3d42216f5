"""Training an adapter of a frozen transformer, on one device or many, resumable to the bit."""

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
LOSSES = 50
"""Of the last steps, which a checkpoint holds."""


@dataclass
class AdapterTrainer(ABC):
    """Trains an adapter on ``transformer``; its progress is in the run's folder.

    A step sees ``accumulation`` batches on each of W processes. Batches are numbered through: two processes give the
    same weights as one process with twice the accumulation.

    Attributes:
        step: number of steps done.
        losses: of the last steps.
        whole: False while an update is half applied: the weights are then no state of the training.
        trained: the adapter's parameters by name.
    """

    materials: ClassVar[str] = "examples or another base"
    """What a run must find again to go on, for the sentence that refuses others."""

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
        config = self.config
        self.steps, self._started, self._stopping = config.steps, time.monotonic(), False
        self._saved = 0
        self.transformer.to(self.accelerator.device)
        self.trained: dict[str, nn.Parameter] = self.add_adapter()
        if config.checkpointing:
            self.transformer.enable_gradient_checkpointing()
        optimizer = build_optimizer(config, list(self.trained.values()), self.accelerator.device)
        self._restore(optimizer)
        self._require_room()
        if config.compile:
            self.transformer.compile(dynamic=False)
        self._model, self._optimizer = self.accelerator.prepare(self.transformer, optimizer)

    @abstractmethod
    def add_adapter(self) -> dict[str, nn.Parameter]:
        """Freeze the transformer, add what is trained, and give it back by the names of the published layout."""

    @abstractmethod
    def compute_losses(self, number: int) -> dict[str, Tensor]:
        """This process's losses of the batches with this number, by name; "loss" is the one that is descended."""

    def curves(self) -> dict[str, float]:
        """What else is logged, by name."""
        return {}

    @property
    def title(self) -> str:
        """What the progress bar says."""
        return self.run.path.name

    def train(self, on_step: Callable[[int], None] | None = None) -> None:
        """Run until the last step or the end of this piece's minutes; Ctrl-C ends after the step under way.

        Args:
            on_step: called after every step with its number, on every process.

        Raises:
            TrainingError: a loss or gradient is not finite; the last good checkpoint stays.
            KeyboardInterrupt: it was interrupted, and has saved.
        """
        with self._interruptible():
            for step in track_steps(self, self.title):
                losses = self._update(step)
                self._log(step, losses)
                if self.step % self.config.save_every == 0:
                    self.save()
                if on_step is not None:
                    on_step(self.step)
        self.save()
        if self._stopping:
            raise KeyboardInterrupt

    def remaining(self) -> Iterator[int]:
        """The steps still to do in this piece; every process agrees on the last one."""
        while self.step < self.steps and not self._ends():
            yield self.step

    def save(self) -> None:
        """Write the checkpoint, by the first process alone, unless it is there already.

        Raises:
            TrainingError, StorageError: a weight is not finite, or the disk is full; the checkpoint of before stays.
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
        """The number that this process's share of a step's batches has among all, and noise that follows from it."""
        number = number * self.accelerator.num_processes + self.accelerator.process_index
        # One number of 32 bits out of both: torch's generator on a CPU heeds no more of its seed.
        seed = np.random.SeedSequence((self.config.seed, number)).generate_state(1).item()
        return number, torch.Generator().manual_seed(seed)

    def _update(self, step: int) -> dict[str, float]:
        config, parts = self.config, []
        for part in range(config.accumulation):
            with self._no_sync(last=part == config.accumulation - 1):
                losses = self.compute_losses(step * config.accumulation + part)
                self.accelerator.backward(losses["loss"] / config.accumulation)
            parts.append(torch.stack([loss.detach() for loss in losses.values()]))
        means = self.accelerator.reduce(torch.stack(parts).mean(0), "mean").tolist()
        found = dict(zip(losses, means, strict=True))
        norm = self.accelerator.clip_grad_norm_(list(self.trained.values()), 1.0)
        self._require_finite(step, {**found, "gradient": norm.item()})
        for group in self._optimizer.param_groups:
            group["lr"] = config.rate * rate_share(config, step)
        self.whole = False
        self._optimizer.step()
        self.step, self.whole = step + 1, True
        self._optimizer.zero_grad()
        self.losses.append(found["loss"])
        return found

    def _no_sync(self, last: bool) -> AbstractContextManager:
        return nullcontext() if last else self.accelerator.no_sync(self._model)

    def _log(self, step: int, losses: Mapping[str, float]) -> None:
        if step % LOG_EVERY or not self.accelerator.is_main_process:
            return
        values = {**losses, "rate": self._optimizer.param_groups[0]["lr"], **self.curves()}
        for name, value in values.items():
            self.run.curves.add_scalar(name, value, step)

    def _ends(self) -> bool:
        """Whether time is up or an interruption came, on any process."""
        wish = self._stopping or time.monotonic() - self._started >= self.config.minutes * 60
        flag = torch.tensor(float(wish), device=self.accelerator.device)
        return self.accelerator.reduce(flag, "sum").item() > 0

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        """The first Ctrl-C lets the step under way end: half an update would not be a state of the training."""

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
                    f"{self.run.path} holds a run on other {self.materials} than there are now: bring them back to go "
                    "on with it, or give another --run to start anew"
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
        """For a checkpoint of the weights and AdamW's two moments in float32, and a new one beside the old one.

        Raises:
            TrainingError: the disk has not enough for both.
        """
        if not self.accelerator.is_main_process or self.step >= self.steps:
            return
        checkpoint = 3 * 4 * sum(parameter.numel() for parameter in self.trained.values())
        old = self.run.path / CHECKPOINT_FILE
        taken = old.stat().st_size if old.exists() else 0
        require_room(self.run.path, 2 * checkpoint - min(taken, checkpoint), "checkpoints")

    def _require_processes(self, before: int) -> None:
        """A step's batches are numbered over all processes: with more of them it would see others, and more."""
        now = self.accelerator.num_processes
        if before != now:
            raise TrainingError(
                f"{self.run.path} holds a run on {before} processes, this one has {now}: start as many to go on with "
                "it, or give another --run to start anew"
            )

    def _require_same_step(self) -> None:
        step = torch.tensor([self.step], device=self.accelerator.device)
        steps = self.accelerator.gather(step).unique().tolist()
        if len(steps) > 1:
            raise TrainingError(
                f"the processes found checkpoints of the steps {steps} in {self.run.path}: "
                "give a --run on a disk that all machines see"
            )

    def require_finite_weights(self, dtype: torch.dtype = torch.float32) -> None:
        """Checks what is saved, as `dtype` holds it.

        Raises:
            TrainingError: a weight is not finite.
        """
        for name, parameter in self.trained.items():
            if not parameter.detach().to(dtype).isfinite().all():
                raise TrainingError(
                    f"the weights of {name} are not finite after step {self.step}: the run stops, and the checkpoint "
                    f"in {self.run.path}, if there is one, is of before; give a lower --rate, and another --run"
                )

    def _require_finite(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            if not math.isfinite(value):
                raise TrainingError(
                    f"the {name} of step {step} is {value}: the run stops, and the checkpoint in {self.run.path}, if "
                    "there is one, is of before; give a lower --rate or --precision no, and another --run"
                )
