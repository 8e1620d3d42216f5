"""A training from its first step to the expert file, with validation images and expert files on the way."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from ...errors import StorageError, StyleExpertError
from ...progress import console
from ..bases import Base
from ..step_trainer import LOSSES
from .config import option_values
from .exports import delete_old_exports, export_path
from .trainer import AdapterTrainer
from .validation import Validation


@dataclass
class TrainingRun(ABC):
    """Runs a trainer with validation, and writes the expert file.

    With EMA, validation and expert files use the averaged weights.

    Attributes:
        trainer: the trainer.
        base: the base model that the adapter belongs to.
        validation: the sheets and held-out examples.
    """

    recorded: ClassVar[tuple[str, ...]]
    """Options that the training summary in the expert file records."""

    trainer: AdapterTrainer
    base: Base
    validation: Validation

    @property
    @abstractmethod
    def expert_file(self) -> Path:
        """Path of the expert file."""

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the weights in the expert file."""
        return torch.float16

    @abstractmethod
    def save_expert(self, path: Path, weights: dict[str, Tensor], summary: dict[str, Any]) -> None:
        """Write an expert file.

        Args:
            path: the file.
            weights: the trained parameters by name, in `dtype`.
            summary: the training summary for the file's header.
        """

    def summary(self) -> dict[str, Any]:
        """The training summary: recorded options, prompt length in T5 tokens, steps, mean loss of the last LOSSES."""
        last, ema = self.trainer.losses[-LOSSES:], self.trainer.config.optimisation.ema
        summary = option_values(self.trainer.config, self.recorded) | ({"ema": ema} if ema else {})
        summary["text_tokens"] = self.base.text_sizes[0]
        return {**summary, "steps": self.trainer.step, "loss": sum(last) / len(last)}

    def train(self) -> None:
        """Train up to the last step or the time limit, and write the expert file.

        Raises:
            TrainingError: a loss, gradient or weight is not finite.
            KeyboardInterrupt: the training was interrupted; checkpoint and expert file are written.
        """
        main, run = self.trainer.accelerator.is_main_process, self.trainer.run
        if main:
            run.begin()
        try:
            self.trainer.train(on_step=self._after_step)
        except KeyboardInterrupt:
            if self.trainer.whole:
                self._write()
            raise
        finally:
            if main:
                run.curves.close()
        self._write()

    def _after_step(self, step: int) -> None:
        """Validate and export where it is due. The first process does it alone, with the averaged weights."""
        options, trainer = self.trainer.config.run, self.trainer
        every = options.validate_every
        validates = self.validation.any and every > 0 and (step % every == 0 or step == trainer.steps)
        exports = options.export_every > 0 and step % options.export_every == 0
        if not validates and not exports:
            return
        if trainer.accelerator.is_main_process:
            with trainer.averaged():
                if validates:
                    self._validate(step)
                if exports:
                    self._export(step)
        trainer.accelerator.wait_for_everyone()

    def _validate(self, step: int) -> None:
        """Write the sheets, and log their scores and the held-out losses."""
        trainer, found = self.trainer, self.validation
        curves = trainer.run.curves
        if found.held_out is not None:
            losses = trainer.held_out_losses(found.held_out)
            curves.add({f"held-out/{name}": value for name, value in losses.items()}, step)
            console.print(f"{trainer.title}: step {step:,}, held-out loss {losses['loss']:.4g}", markup=False)
        for name, sheet in found.sheets.items():
            file = f"{name}_{step:06}.png" if name else f"{step:06}.png"
            pixels, scores = sheet.write(trainer, trainer.run.path / "validation" / file)
            curves.add_image(f"validation {name}".strip(), pixels, step)
            curves.add(scores, step)
        self.base.free_encoders()

    def _export(self, step: int) -> None:
        """Write an expert file of this step. A full disk does not stop the training."""
        options, run = self.trainer.config.run, self.trainer.run.path
        folder, stem = options.exports or run / "exports", self.expert_file.stem
        path = export_path(folder, stem, step)
        weights, summary = self._weights(), self.summary()
        try:
            self.save_expert(path, weights, summary)
        except (StorageError, StyleExpertError) as error:
            console.print(f"No export of step {step}, and the training goes on: {error}", soft_wrap=True, markup=False)
            return
        console.print(f"Exported {path}", soft_wrap=True, markup=False)
        delete_old_exports(folder, stem, options.keep_exports)

    def _write(self) -> None:
        """Write the expert file, unless no step is finished. The first process does it alone."""
        trainer = self.trainer
        if not trainer.accelerator.is_main_process or not trainer.step:
            return
        with trainer.averaged():
            self.save_expert(self.expert_file, self._weights(), self.summary())
        console.print(f"Wrote {self.expert_file}", soft_wrap=True)
        if trainer.step < trainer.steps:
            console.print(
                f"Stopped after {trainer.step} of {trainer.steps} steps; run the same command again to continue"
            )

    def _weights(self) -> dict[str, Tensor]:
        """The weights of the expert file by name.

        Raises:
            TrainingError: a weight is not finite.
        """
        self.trainer.require_finite_weights(self.dtype)
        trained: Mapping[str, Tensor] = self.trainer.trained
        return {name: weight.detach().to(self.dtype) for name, weight in trained.items()}
