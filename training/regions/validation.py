"""Validation images of a region expert in training: original, mask, map, result and target in one sheet."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ...attention import heat_map, resize
from ...attention.localisation import map_iou, share_inside
from ...flux.velocity import Reference
from ..adapters.encoded import EncodedExamples
from ..adapters.own_samples import OwnSample
from ..adapters.sampling import sample
from ..adapters.validation import IMAGES, ValidationSheet
from ..bases import Base
from .config import RegionObjective
from .examples import RegionExamples, make_batch
from .losses import mean_map
from .trainer import RegionTrainer, flow_matching_loss, target_rows

SIGMA = 0.5
"""Noise level of the target images whose maps are measured."""


class RegionSheet(ValidationSheet):
    """Generates the first IMAGES examples, and scores the attention maps against the masks.

    Args:
        objective: guidance and position of the reference, as in the training.
        base: the base model.
        examples: the test examples of the style.
        seed: seed of the noise.
    """

    def __init__(self, objective: RegionObjective, base: Base, examples: RegionExamples, seed: int) -> None:
        super().__init__(base, seed)
        self.objective = objective
        self.batch = make_batch(examples, range(min(IMAGES, len(examples.rows))))

    def rows(self, trainer: RegionTrainer) -> tuple[list[list[np.ndarray]], dict[str, float]]:
        device, masks = trainer.accelerator.device, self.batch.masks
        with torch.no_grad(), trainer.accelerator.autocast():
            maps = self._maps(trainer, device).unflatten(-1, masks.shape[-2:])
            latents = self._generate(trainer, device).float().cpu()
        scores = {
            "validation/attention inside": share_inside(maps, masks).nanmean().item(),
            "validation/iou": map_iou(maps, masks).nanmean().item(),
        }
        return self._image_rows(heat_map(maps), latents), scores

    def _maps(self, trainer: RegionTrainer, device: torch.device) -> Tensor:
        """Mean maps [B, S, h * w] of the supervised blocks, on the CPU, at one noise level of the targets."""
        batch = self.batch.to(device)
        trainer.capture.expect(batch.spans, target_rows(batch))
        sigma = torch.full((len(batch.styled),), SIGMA, device=device)
        with torch.compiler.set_stance("force_eager"):
            noise = self.noise(batch.styled.shape).to(device)
            flow_matching_loss(trainer.transformer, batch, noise, sigma, self.objective)
        maps = {block: found.float().cpu() for block, found in trainer.capture.take().items()}
        trainer.capture.rest()
        return mean_map(maps)

    def _generate(self, trainer: RegionTrainer, device: torch.device) -> Tensor:
        batch = self.batch.to(device)
        reference = Reference(batch.original, self.objective.reference_index)
        noise = self.noise(batch.styled.shape).to(device)
        return sample(trainer.transformer, noise, [reference], batch.text, self.objective.guidance)

    def _image_rows(self, heat: Tensor, latents: Tensor) -> list[list[np.ndarray]]:
        """A row per example; mask and map belong to its first span."""
        rows = []
        for index, (original, target) in enumerate(zip(self.batch.original, self.batch.styled, strict=True)):
            shown = [self.image(part) for part in (original, latents[index], target)]
            grey = (_grey(part[index, 0], shown[0].shape[:2]) for part in (self.batch.masks, heat))
            rows.append([shown[0], *grey, *shown[1:]])
        return rows


class OwnRegionSheet(ValidationSheet):
    """Generates the user's own images: original and result.

    Args:
        objective: guidance and position of the reference, as in the training.
        base: the base model.
        examples: the encoded images and prompts.
        samples: the samples, one row each.
        seed: seed of the noise.
    """

    def __init__(
        self,
        objective: RegionObjective,
        base: Base,
        examples: EncodedExamples,
        samples: Sequence[OwnSample],
        seed: int,
    ) -> None:
        super().__init__(base, seed)
        self.objective, self.examples, self.samples = objective, examples, samples

    def rows(self, trainer: RegionTrainer) -> tuple[list[list[np.ndarray]], dict[str, float]]:
        device = trainer.accelerator.device
        original = self.examples.latents([one.image for one in self.samples])
        states, pooled = self.examples.prompts.of([one.prompt for one in self.samples])
        reference = Reference(original.to(device), self.objective.reference_index)
        text, noise = (states.to(device), pooled.to(device)), self.noise(original.shape).to(device)
        with trainer.accelerator.autocast():
            results = sample(trainer.transformer, noise, [reference], text, self.objective.guidance).float().cpu()
        return [[self.image(pair[0]), self.image(pair[1])] for pair in zip(original, results, strict=True)], {}


def _grey(values: Tensor, size: tuple[int, int]) -> np.ndarray:
    """[h, w] in 0..1 -> [H, W, 3]."""
    return resize(values[None], size)[0].clamp(0, 1).numpy()[..., None].repeat(3, axis=-1)
