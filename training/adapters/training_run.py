"""A training from its first step to the expert file, with validation images on the way."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from ...progress import console
from ..bases import Base
from ..step_trainer import LOSSES
from .config import option_values
from .trainer import AdapterTrainer
from .validation import ValidationSheet


@dataclass
class TrainingRun(ABC):
    """Runs a trainer with validation sheets, and writes the expert file.

    Attributes:
        trainer: the trainer.
        base: the base model that the adapter belongs to.
        sheet: the validation images; None for none.
    """

    recorded: ClassVar[tuple[str, ...]]
    """Options that the training summary in the expert file records."""

    trainer: AdapterTrainer
    base: Base
    sheet: ValidationSheet | None

    @property
    @abstractmethod
    def expert_file(self) -> Path:
        """Path of the expert file."""

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the weights in the expert file."""
        return torch.float16

    @abstractmethod
    def save_expert(self, weights: dict[str, Tensor], summary: dict[str, Any]) -> None:
        """Write the expert file.

        Args:
            weights: the trained parameters by name, in `dtype`.
            summary: the training summary for the file's header.
        """

    def summary(self) -> dict[str, Any]:
        """The training summary: recorded options, prompt length in T5 tokens, steps, mean loss of the last LOSSES."""
        last = self.trainer.losses[-LOSSES:]
        summary = option_values(self.trainer.config, self.recorded)
        summary["text_tokens"] = self.base.text_sizes[0]
        return {**summary, "steps": self.trainer.step, "loss": sum(last) / len(last)}

    def train(self) -> None:
        """Train up to the last step or the time limit, and write the expert file.

        Raises:
            TrainingError: a loss, gradient or weight is not finite.
            KeyboardInterrupt: the training was interrupted; checkpoint and expert file are written.
        """
        if self.trainer.accelerator.is_main_process:
            self.trainer.run.begin()
        try:
            self.trainer.train(on_step=self._validate)
        except KeyboardInterrupt:
            if self.trainer.whole:
                self._write()
            raise
        self._write()

    def _validate(self, step: int) -> None:
        """Write a sheet at every `validate_every` steps and at the last step. The first process does it alone."""
        trainer = self.trainer
        if self.sheet is None or (step % trainer.config.run.validate_every and step != trainer.steps):
            return
        if trainer.accelerator.is_main_process:
            pixels, scores = self.sheet.write(trainer, trainer.run.path / "validation" / f"{step:06}.png")
            trainer.run.curves.add_image("validation", pixels, step, dataformats="HWC")
            for name, value in scores.items():
                trainer.run.curves.add_scalar(name, value, step)
            self.base.free_encoders()
        trainer.accelerator.wait_for_everyone()

    def _write(self) -> None:
        """Write the expert file, unless no step is finished. The first process does it alone."""
        trainer = self.trainer
        if not trainer.accelerator.is_main_process or not trainer.step:
            return
        trainer.require_finite_weights(self.dtype)
        weights = {name: weight.detach().to(self.dtype) for name, weight in trainer.trained.items()}
        self.save_expert(weights, self.summary())
        console.print(f"Wrote {self.expert_file}", soft_wrap=True)
        if trainer.step < trainer.steps:
            console.print(
                f"Stopped after {trainer.step} of {trainer.steps} steps; run the same command again to continue"
            )
