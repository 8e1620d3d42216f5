"""Stage 2 of StyleExpert: routed experts by flow matching, on one device or many, resumable to the bit."""

import math
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from diffusers import FluxTransformer2DModel
from torch import Tensor
from torch.nn import functional

from ..flow import Reference, add_noise, predict_velocity, sampler_sigmas
from ..progress import track
from ..run_folder import RunFolder, TrainingError
from .config import ExpertsTrainConfig
from .examples import Batch, Examples, draw
from .optimizer import build_optimizer, rate_share
from .routed_linear import RoutedLinear, Style, add_experts, trained_state
from .usage import ExpertUsage

LOG_EVERY = 10
LOSSES = 50
"""Of the last steps, which a checkpoint holds."""


@dataclass
class ExpertsTrainer:
    """Trains an adapter on ``transformer``; its progress is in the run's folder.

    A step sees ``accumulation`` batches on each of W processes. Batches are numbered through: two processes give the
    same weights as one process with twice the accumulation.

    Attributes:
        step: number of steps done.
        losses: of the last steps.
        whole: False while an update is half applied: the weights are then no state of the training.
    """

    config: ExpertsTrainConfig
    run: RunFolder
    accelerator: Accelerator
    transformer: FluxTransformer2DModel
    examples: Examples
    identity: str
    step: int = 0
    losses: list[float] = field(default_factory=list)
    whole: bool = True

    def __post_init__(self) -> None:
        config = self.config
        self.steps, self._started, self._stopping = config.steps, time.monotonic(), False
        self.style = Style()
        self.transformer.to(self.accelerator.device)
        self.routed: dict[str, RoutedLinear] = add_experts(self.transformer, self.style, config.adapter, config.seed)
        self.trained = trained_state(self.routed)
        if config.checkpointing:
            self.transformer.enable_gradient_checkpointing()
        optimizer = build_optimizer(config, list(self.trained.values()), self.accelerator.device)
        self._restore(optimizer)
        if config.compile:
            self.transformer.compile(dynamic=False)
        self._model, self._optimizer = self.accelerator.prepare(self.transformer, optimizer)
        self.usage = ExpertUsage(self.routed) if config.adapter.experts else None

    def train(self, on_step: Callable[[int], None] | None = None) -> None:
        """Run until the last step or the end of this piece's minutes; Ctrl-C ends after the step under way.

        Args:
            on_step: called after every step with its number, on every process.

        Raises:
            TrainingError: a loss or gradient is not finite; the last good checkpoint stays.
            KeyboardInterrupt: it was interrupted, and has saved.
        """
        with self._interruptible():
            for step in track(self, "experts"):
                loss = self._update(step)
                self._log(step, loss)
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
        """Write the checkpoint, by the first process alone."""
        if self.accelerator.is_main_process:
            state = {"step": self.step, "losses": self.losses[-LOSSES:], "examples": self.identity}
            state["adapter"] = {name: parameter.detach().cpu() for name, parameter in self.trained.items()}
            state["optimizer"] = self._optimizer.state_dict()
            self.run.save(state)
            self.run.curves.flush()
        self.accelerator.wait_for_everyone()

    def _update(self, step: int) -> float:
        config, losses = self.config, []
        for part in range(config.accumulation):
            with self._no_sync(last=part == config.accumulation - 1):
                loss = self._loss(step * config.accumulation + part)
                self.accelerator.backward(loss / config.accumulation)
            losses.append(loss.detach())
        mean = self.accelerator.reduce(torch.stack(losses).mean(), "mean").item()
        norm = self.accelerator.clip_grad_norm_(list(self.trained.values()), 1.0)
        self._require_finite(step, loss=mean, gradient=norm.item())
        for group in self._optimizer.param_groups:
            group["lr"] = config.rate * rate_share(config, step)
        self.whole = False
        self._optimizer.step()
        self.step, self.whole = step + 1, True
        self._optimizer.zero_grad()
        self.losses.append(mean)
        return mean

    def _loss(self, number: int) -> Tensor:
        """Flow-matching loss of this process's share of the batches with this number."""
        config, number = self.config, number * self.accelerator.num_processes + self.accelerator.process_index
        batch = draw(self.examples, config.batch, config.window, config.seed, number).to(self.accelerator.device)
        # One number of 32 bits out of both: torch's generator on a CPU heeds no more of its seed.
        seed = np.random.SeedSequence((config.seed, number)).generate_state(1).item()
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn(batch.stylised.shape, generator=generator).to(self.accelerator.device)
        sigma = sampler_sigmas(config.batch, generator).to(self.accelerator.device)
        if self.usage is not None and self.accelerator.is_main_process:
            self.usage.see(batch.style)
        return flow_matching_loss(self._model, batch, noise, sigma, self.style, config)

    def _no_sync(self, last: bool) -> AbstractContextManager:
        return nullcontext() if last else self.accelerator.no_sync(self._model)

    def _log(self, step: int, loss: float) -> None:
        if step % LOG_EVERY or not self.accelerator.is_main_process:
            return
        self.run.curves.add_scalar("loss", loss, step)
        self.run.curves.add_scalar("rate", self._optimizer.param_groups[0]["lr"], step)
        for expert, share in enumerate(self.usage.shares() if self.usage else ()):
            self.run.curves.add_scalar(f"usage/expert {expert:02}", share, step)

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
                    f"{self.run.path} holds a run on other triplets, another base or another encoder than there are "
                    "now: bring them back to go on with it, or give another --run to start anew"
                )
            with torch.no_grad():
                for name, parameter in self.trained.items():
                    parameter.copy_(state["adapter"][name])
            optimizer.load_state_dict(state["optimizer"])
            self.step, self.losses = state["step"], state["losses"]
        self._require_same_step()

    def _require_same_step(self) -> None:
        step = torch.tensor([self.step], device=self.accelerator.device)
        steps = self.accelerator.gather(step).unique().tolist()
        if len(steps) > 1:
            raise TrainingError(
                f"the processes found checkpoints of the steps {steps} in {self.run.path}: "
                "give a --run on a disk that all machines see"
            )

    def _require_finite(self, step: int, **values: float) -> None:
        for name, value in values.items():
            if not math.isfinite(value):
                raise TrainingError(
                    f"the {name} of step {step} is {value}: the run stops, and the checkpoint in {self.run.path}, if "
                    "there is one, is of before; give a lower --rate or --precision no, and another --run"
                )


def flow_matching_loss(model: torch.nn.Module, batch: Batch, noise: Tensor, sigma: Tensor, style: Style,
                       config: ExpertsTrainConfig) -> Tensor:  # fmt: skip
    """Mean squared error of the velocity noise - x_0 at noise levels ``sigma`` [B], content (and style) beside it."""
    if batch.style is not None:
        style.embedding = batch.style
    references = [Reference(batch.content, 1, batch.corner)]
    if config.style_reference:
        references.append(Reference.of_style(batch.reference, batch.reference_corner, config.style_rows))
    noisy = add_noise(batch.stylised, noise, sigma)
    guidance = torch.full_like(sigma, config.guidance)
    velocity = predict_velocity(model, noisy, references, sigma, batch.text, guidance, batch.corner)
    return functional.mse_loss(velocity.float(), noise - batch.stylised)
