"""Stage 1 of StyleExpert: trains a style encoder on cached states; a resumed run gives exactly the same weights."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from pytorch_optimizer import AdaBelief
from torch import Tensor

from ...moe import StyleEncoder
from ..checkpoint import Checkpoint
from ..run_folder import RunFolder
from ..step_trainer import Limits, StepTrainer
from .config import EncoderTrainConfig
from .examples import StyleExamples
from .loss import info_nce

BETAS, EPSILON = (0.9, 0.999), 1e-16
"""AdaBelief's values in its paper; without weight decay and rectification."""


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
class EncoderTrainer(StepTrainer):
    """Trains `encoder` in place; checkpoints and curves go to the run's folder."""

    part: ClassVar[str] = "encoder"
    materials: ClassVar[str] = "images or another vision model"
    remedy: ClassVar[str] = "Lower --rate or raise --temperature, and start a new --run"
    title: ClassVar[str] = "style encoder"

    config: EncoderTrainConfig
    run: RunFolder
    encoder: StyleEncoder
    examples: StyleExamples

    def __post_init__(self) -> None:
        super().__post_init__()
        self._device = next(self.encoder.parameters()).device
        self.optimizer = AdaBelief(
            self.encoder.parameters(), lr=self.config.rate, betas=BETAS, eps=EPSILON, weight_decay=0.0, rectify=False
        )
        self.restore(self.optimizer)

    @property
    def limits(self) -> Limits:
        config = self.config
        return Limits(config.steps, config.minutes, config.save_every, config.log_every)

    @property
    def checkpoint(self) -> Checkpoint:
        return self.run.checkpoint

    @property
    def identity(self) -> str:
        return self.examples.identity

    def weights(self) -> Mapping[str, Tensor]:
        return self.encoder.state_dict()

    def compute_gradients(self, step: int) -> tuple[dict[str, float], float]:
        loss = self._loss(draw(self.examples, self.config.batch, self.config.seed, step))
        loss.backward()
        norm = torch.nn.utils.get_total_norm([weight.grad for weight in self.encoder.parameters()])
        return {"loss": loss.item()}, norm.item()

    def set_rate(self, step: int) -> None:
        """The rate is constant."""

    def log(self, step: int, losses: Mapping[str, float], norm: float) -> None:
        self.run.curves.add({**losses, "gradient norm": norm}, step)

    def flush(self) -> None:
        self.run.curves.flush()

    def _loss(self, batch: EncoderBatch) -> Tensor:
        first, second = (self.encoder(part.to(self._device).float()) for part in (batch.first, batch.second))
        labels = batch.first_labels.to(self._device), batch.second_labels.to(self._device)
        return info_nce(first, second, *labels, self.config.temperature)
