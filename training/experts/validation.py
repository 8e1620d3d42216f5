"""Validation images of experts in training: content image, reference image, result and target in one sheet."""

import numpy as np
import torch
from torch import Tensor

from ...flux.velocity import Reference
from ..adapters.sampling import sample
from ..adapters.validation import ValidationSheet
from ..bases import Base
from .config import ExpertObjective
from .examples import TripletExamples
from .routed_linear import BatchStyle
from .trainer import ExpertsTrainer


class TripletSheet(ValidationSheet):
    """Generates the given triplets: content image, reference image, result, and target if there is one.

    Args:
        objective: guidance and second reference, as in the training.
        base: the base model.
        examples: the triplets, one row each.
        seed: seed of the noise.
        has_target: whether the triplets have stylised images; the user's own samples have none.
    """

    def __init__(
        self, objective: ExpertObjective, base: Base, examples: TripletExamples, seed: int, has_target: bool = True
    ) -> None:
        super().__init__(base, seed)
        self.objective, self.examples = objective, examples
        self._parts = ("content", "reference", "stylised") if has_target else ("content", "reference")

    def rows(self, trainer: ExpertsTrainer) -> tuple[list[list[np.ndarray]], dict[str, float]]:
        accelerator = trainer.accelerator
        with accelerator.autocast():
            generated = self.generate(trainer.transformer, trainer.style, accelerator.device).float().cpu()
        columns = [self._latents(part) for part in self._parts]
        columns.insert(2, generated)
        count = len(self.examples.triplets)
        return [[self.image(column[row]) for column in columns] for row in range(count)], {}

    @torch.no_grad()
    def generate(self, transformer: torch.nn.Module, style: BatchStyle, device: torch.device) -> Tensor:
        """Latents [B, 16, H, W] of the stylised images."""
        triplets = self.examples.triplets
        content, reference = self._latents("content").to(device), self._latents("reference").to(device)
        if self.examples.styles:
            style.set(self.examples.style([row.reference for row in triplets]).to(device))
        references = [Reference(content)]
        if self.objective.style_reference:
            references.append(Reference.of_style(reference, rows=self.objective.style_rows))
        states, pooled = self.examples.prompts.of([row.prompt for row in triplets])
        text = states.to(device), pooled.to(device)
        noise = self.noise(content.shape).to(device)
        return sample(transformer, noise, references, text, self.objective.guidance)

    def _latents(self, part: str) -> Tensor:
        return self.examples.latents([getattr(row, part) for row in self.examples.triplets])
