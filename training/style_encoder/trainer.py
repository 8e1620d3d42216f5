"""Stage 1 of StyleExpert: trains a style encoder on cached states; a resumed run gives exactly the same weights."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from pytorch_optimizer import AdaBelief
from torch import Tensor

from ...errors import TrainingError
from ...moe import StyleEncoder
from ...progress import track_steps
from ..run_folder import RunFolder
from .config import EncoderTrainConfig
from .examples import StyleExamples
from .loss import info_nce

BETAS, EPSILON = (0.9, 0.999), 1e-16
"""AdaBelief's values in its paper; without weight decay and rectification."""
LOSSES = 50
"""Number of latest losses in a checkpoint."""


@dataclass(frozen=True)
class EncoderBatch:
    """Two independently drawn batches: states float16 [B, L, T, D] and labels [B] of each."""

    first: Tensor
    second: Tensor
    first_labels: Tensor
    second_labels: Tensor


def draw(examples: StyleExamples, batch: int, seed: int, step: int) -> EncoderBatch:
    """Draws the batches of a step with replacement. They depend only on seed and step, also in a resumed run."""
    # torch's CPU generator takes seeds of 32 bits only, too few for both numbers.
    first, second = torch.from_numpy(np.random.default_rng((seed, step)).integers(len(examples), size=(2, batch)))
    labels = examples.labels
    return EncoderBatch(examples.states(first), examples.states(second), labels[first], labels[second])


@dataclass
class EncoderTrainer:
    """Trains `encoder` in place and saves its progress in the run folder.

    Attributes:
        step: number of steps done.
        losses: losses of the latest steps.
    """

    config: EncoderTrainConfig
    run: RunFolder
    encoder: StyleEncoder
    examples: StyleExamples
    step: int = 0
    losses: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.steps = self.config.steps
        self._device = next(self.encoder.parameters()).device
        self._optimizer = AdaBelief(
            self.encoder.parameters(), lr=self.config.rate, betas=BETAS, eps=EPSILON, weight_decay=0.0, rectify=False
        )
        self._started = time.monotonic()
        # False while an update is half applied: a checkpoint would then be inconsistent.
        self._consistent = True
        self._restore()

    def train(self) -> None:
        """Trains until the last step or the time limit; an interruption saves a checkpoint.

        Raises:
            TrainingError: a loss, gradient or weight is not finite; the last good checkpoint stays.
        """
        config = self.config
        try:
            for step in track_steps(self, "style encoder"):
                self._update(step, draw(self.examples, config.batch, config.seed, step))
                if self.step % config.save_every == 0:
                    self._save()
        except KeyboardInterrupt:
            if self._consistent:
                self._save()
            raise
        self._save()

    def remaining(self) -> Iterator[int]:
        """Yields the remaining step numbers until the time limit."""
        while self.step < self.steps and time.monotonic() - self._started < self.config.minutes * 60:
            yield self.step

    def _update(self, step: int, batch: EncoderBatch) -> None:
        loss = self._loss(batch)
        self._optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.get_total_norm([weight.grad for weight in self.encoder.parameters()])
        self._require_finite(step, loss=loss, gradient=norm)
        self._consistent = False
        self._optimizer.step()
        self.step, self._consistent = step + 1, True
        self.losses.append(loss.item())
        self.run.curves.add_scalar("loss", loss.item(), step)
        self.run.curves.add_scalar("gradient norm", norm.item(), step)

    def _loss(self, batch: EncoderBatch) -> Tensor:
        first, second = (self.encoder(part.to(self._device).float()) for part in (batch.first, batch.second))
        labels = batch.first_labels.to(self._device), batch.second_labels.to(self._device)
        return info_nce(first, second, *labels, self.config.temperature)

    def _save(self) -> None:
        weights = torch.cat([weight.detach().flatten() for weight in self.encoder.parameters()])
        self._require_finite(self.step, weights=weights)
        self.run.save(
            {
                "step": self.step,
                "losses": self.losses[-LOSSES:],
                "examples": self.examples.identity,
                "encoder": self.encoder.state_dict(),
                "optimizer": self._optimizer.state_dict(),
            }
        )
        self.run.curves.flush()

    def _restore(self) -> None:
        state = self.run.restore()
        if state is None:
            return
        if state["examples"] != self.examples.identity:
            raise TrainingError(
                f"{self.run.path} holds a run on other images or another vision model than {self.config.data} and "
                f"{self.config.vision}: restore them to continue, or give another --run to start anew"
            )
        self.encoder.load_state_dict(state["encoder"])
        self._optimizer.load_state_dict(state["optimizer"])
        self.step, self.losses = state["step"], state.get("losses", [])

    def _require_finite(self, step: int, **values: Tensor) -> None:
        for name, value in values.items():
            if not value.isfinite().all():
                raise TrainingError(
                    f"step {step}: {name} not finite. The last checkpoint in {self.run.path} is from before this "
                    "step; give a lower --rate or a higher --temperature, and another --run"
                )
