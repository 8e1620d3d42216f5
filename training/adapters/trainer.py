"""Training of an adapter of a frozen transformer, on one or many devices; a resumed run is bit-identical."""

from abc import abstractmethod
from collections.abc import Mapping, Sized
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from accelerate import Accelerator
from diffusers import FluxTransformer2DModel
from torch import Tensor, nn
from torch.optim import Optimizer

from ...errors import TrainingError
from ...storage.disk_space import require_room
from ..checkpoint import Checkpoint
from ..run_folder import RunFolder
from ..step_trainer import Limits, StepTrainer
from .averaging import WeightAverage
from .config import TrainConfig
from .optimizer import build_optimizer, rate_share

LOG_EVERY = 10
"""Steps between two points of a curve."""

LARGEST_NORM = 1.0
"""Upper limit for the norm of a step's gradient."""


@dataclass
class AdapterTrainer(StepTrainer):
    """Trains an adapter of ``transformer``; checkpoints and curves go to the run's folder.

    A step uses ``accumulation`` batches on each of W processes. All batches are numbered in one sequence: two processes
    give the same weights as one process with twice the accumulation.

    Attributes:
        config: the options.
        run: the run's folder.
        accelerator: the process and its device.
        transformer: the base model; `add_adapter` freezes it.
        examples: the training examples, as `compute_losses` reads them.
        inputs: digest of examples and base model; a run resumes only with the same.
        trained: the adapter's parameters by name.
        average: the moving average of the parameters; None without EMA.
    """

    part: ClassVar[str] = "adapter"
    materials: ClassVar[str] = "examples or another base"
    remedy: ClassVar[str] = "Lower --rate or give --precision no, and start a new --run"

    config: TrainConfig
    run: RunFolder
    accelerator: Accelerator
    transformer: FluxTransformer2DModel
    examples: Any
    inputs: str

    def __post_init__(self) -> None:
        super().__post_init__()
        self.transformer.to(self.accelerator.device)
        self.trained: dict[str, nn.Parameter] = self.add_adapter()
        if self.config.optimisation.checkpointing:
            self.transformer.enable_gradient_checkpointing()
        ema = self.config.optimisation.ema
        self.average = WeightAverage(self.trained, ema) if ema else None
        optimizer = build_optimizer(self.config.optimisation, list(self.trained.values()), self.accelerator.device)
        self.restore(optimizer)
        self._require_room()
        if self.compiles:
            self.transformer.compile(dynamic=False)
        self._model, self.optimizer = self.accelerator.prepare(self.transformer, optimizer)

    @abstractmethod
    def add_adapter(self) -> dict[str, nn.Parameter]:
        """Freeze the transformer and add the adapter; returns its parameters by the names of the published layout."""

    @abstractmethod
    def compute_losses(self, number: int) -> dict[str, Tensor]:
        """Losses by name of the batch with this number on this process; "loss" is minimised, the rest is logged."""

    @abstractmethod
    def example_losses(self, examples: Any, index: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Losses by name of one example, "loss" among them, without gradients. The generator draws noise and level."""

    def held_out_losses(self, examples: Sized) -> dict[str, float]:
        """Mean losses by name over examples that no step sees.

        Each example has the same noise and the same noise level at every call, so that the values form a curve.
        """
        found: list[dict[str, Tensor]] = []
        # A compiled transformer would compile again for other shapes.
        with torch.no_grad(), self.accelerator.autocast(), torch.compiler.set_stance("force_eager"):
            for index in range(len(examples)):
                found.append(self.example_losses(examples, index, torch.Generator().manual_seed(index)))
        return {name: sum(losses[name].item() for losses in found) / len(found) for name in found[0]}

    def averaged(self) -> AbstractContextManager:
        """Within the block the adapter has the averaged weights; nothing changes without EMA."""
        return nullcontext() if self.average is None else self.average.applied()

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

    @property
    def limits(self) -> Limits:
        run = self.config.run
        return Limits(self.config.optimisation.steps, run.minutes, run.save_every, run.log_every)

    @property
    def checkpoint(self) -> Checkpoint:
        return self.run.checkpoint

    @property
    def identity(self) -> str:
        return self.inputs

    def weights(self) -> Mapping[str, Tensor]:
        return self.trained

    @property
    def saves(self) -> bool:
        """Only the first process writes."""
        return self.accelerator.is_main_process

    def any_process(self, flag: bool) -> bool:
        return self.accelerator.reduce(torch.tensor(float(flag), device=self.accelerator.device), "sum").item() > 0

    def wait(self) -> None:
        self.accelerator.wait_for_everyone()

    def state(self) -> dict[str, Any]:
        state = {**super().state(), "processes": self.accelerator.num_processes}
        if self.average is not None:
            state["average"] = {name: average.cpu() for name, average in self.average.average.items()}
        return state

    def load(self, state: Mapping[str, Any], optimizer: Optimizer) -> None:
        super().load(state, optimizer)
        if self.average is not None:
            self.average.load(state["average"])

    def after_update(self, step: int) -> None:
        if self.average is not None:
            self.average.update(step + 1)

    def own_number(self, number: int) -> tuple[int, torch.Generator]:
        """The batch's number in the sequence over all processes, and a noise generator seeded from it."""
        number = number * self.accelerator.num_processes + self.accelerator.process_index
        # Both numbers hashed into 32 bits: torch's CPU generator ignores the upper bits of a seed.
        seed = np.random.SeedSequence((self.config.optimisation.seed, number)).generate_state(1).item()
        return number, torch.Generator().manual_seed(seed)

    def compute_gradients(self, step: int) -> tuple[dict[str, float], float]:
        losses = self._accumulate(step)
        return losses, self.accelerator.clip_grad_norm_(list(self.trained.values()), LARGEST_NORM).item()

    def set_rate(self, step: int) -> None:
        options = self.config.optimisation
        for group in self.optimizer.param_groups:
            group["lr"] = options.rate * rate_share(options, step)

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

    def log(self, step: int, losses: Mapping[str, float], norm: float) -> None:
        if step % LOG_EVERY or not self.saves:
            return
        values = {**losses, "rate": self.optimizer.param_groups[0]["lr"], **self.curves()}
        self.run.curves.add(values, step)

    def flush(self) -> None:
        self.run.curves.flush()

    def restore(self, optimizer: Optimizer) -> None:
        super().restore(optimizer)
        self._require_same_step()

    def require_same_run(self, state: Mapping[str, Any]) -> None:
        super().require_same_run(state)
        self._require_processes(state["processes"])

    def _require_room(self) -> None:
        """Check the disk for two checkpoints, because the old one stays until the new one is whole.

        A checkpoint holds the weights and AdamW's two moments in float32, and the average of the weights.

        Raises:
            StorageError: the disk has too little room.
        """
        if not self.accelerator.is_main_process or self.step >= self.steps:
            return
        checkpoint = (
            (3 if self.average is None else 4) * 4 * sum(parameter.numel() for parameter in self.trained.values())
        )
        old = self.checkpoint.path
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
