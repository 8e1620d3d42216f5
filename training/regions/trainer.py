"""Training of a region expert (RegionRoute): flow matching, and attention losses on the maps of the style's tokens."""

from collections.abc import Sized
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...attention.localisation import share_inside
from ...flux.noise import add_noise, sampler_sigmas
from ...flux.velocity import Reference, predict_velocity
from ..adapters.trainer import AdapterTrainer
from ..changed_cells import weigh_changed
from .capture import capture_maps
from .config import RegionObjective, RegionTrainConfig
from .examples import RegionBatch, RegionExamples, draw, make_batch
from .lora import add_lora
from .losses import attention_losses, joint_loss, mean_map


@dataclass
class RegionTrainer(AdapterTrainer):
    """Trains the LoRA of one style.

    Attributes:
        capture: captures the maps of the supervised blocks; inactive without an attention loss.
    """

    materials: ClassVar[str] = "examples or another base model"

    config: RegionTrainConfig
    examples: RegionExamples

    def add_adapter(self) -> dict[str, nn.Parameter]:
        model, objective = self.config.model, self.config.objective
        self.capture = capture_maps(self.transformer, objective.blocks, objective.losses.slice)
        self._map_scores: dict[str, float] = {}
        return add_lora(self.transformer, model.rank, model.adapted, self.config.optimisation.seed)

    def compute_losses(self, number: int) -> dict[str, Tensor]:
        """The losses "flow", "focus" and "cover" without weights, and "loss", their weighted sum."""
        options, objective, device = self.config.optimisation, self.config.objective, self.accelerator.device
        number, generator = self.own_number(number)
        batch = draw(self.examples, options.batch, options.seed, number).to(device)
        noise = torch.randn(batch.styled.shape, generator=generator).to(device)
        sigma = noise_levels(options.batch, objective.early_share, generator).to(device)
        return self._losses(self._model, batch, noise, sigma)

    def example_losses(self, examples: RegionExamples, index: int, generator: torch.Generator) -> dict[str, Tensor]:
        batch = make_batch(examples, [index]).to(self.accelerator.device)
        noise = torch.randn(batch.styled.shape, generator=generator).to(batch.styled)
        sigma = noise_levels(1, self.config.objective.early_share, generator).to(batch.styled)
        return self._losses(self.transformer, batch, noise, sigma)

    def held_out_losses(self, examples: Sized) -> dict[str, float]:
        try:
            return super().held_out_losses(examples)
        finally:
            self.capture.rest()

    def curves(self) -> dict[str, float]:
        return self._map_scores

    @property
    def title(self) -> str:
        return "grounding LoRA" if self.config.grounds else f"region expert {self.config.data.styles[0]}"

    def _losses(self, model: nn.Module, batch: RegionBatch, noise: Tensor, sigma: Tensor) -> dict[str, Tensor]:
        objective = self.config.objective
        if objective.supervised:
            self.capture.expect(batch.spans, target_rows(batch))
        flow = flow_matching_loss(model, batch, noise, sigma, objective)
        attention = self._attention_losses(batch) if objective.supervised else {}
        return {"flow": flow, **attention, "loss": joint_loss(flow, attention, objective)}

    def _attention_losses(self, batch: RegionBatch) -> dict[str, Tensor]:
        maps = self.capture.take()
        mean = mean_map(maps).detach()
        inside = share_inside(mean.unflatten(-1, batch.masks.shape[-2:]), batch.masks)
        self._map_scores = {
            "attention inside": inside.nanmean().item(),
            "attention on the words": mean.mean().item(),
        }
        return attention_losses(maps, batch.masks, self.config.objective)


def flow_matching_loss(
    model: nn.Module, batch: RegionBatch, noise: Tensor, sigma: Tensor, objective: RegionObjective
) -> Tensor:
    """Weighted mean squared error of the predicted velocity against noise - x_0.

    Args:
        model: the transformer with the LoRA.
        batch: B examples; the original image is the reference.
        noise: [B, 16, H, W].
        sigma: noise levels [B].
        objective: guidance, position of the reference, and weight of the changed cells.
    """
    noisy = add_noise(batch.styled, noise, sigma)
    guidance = torch.full_like(sigma, objective.guidance)
    reference = Reference(batch.original, objective.reference_index)
    velocity = predict_velocity(model, noisy, [reference], sigma, batch.text, guidance)
    error = functional.mse_loss(velocity.float(), noise - batch.styled, reduction="none").mean(1)
    return weigh_changed(error, batch.styled, batch.original, objective.changed_weight)


def noise_levels(count: int, early_share: float, generator: torch.Generator) -> Tensor:
    """Noise levels [count] as in sampling; a share of them comes from the first half of sampling only."""
    sigma = sampler_sigmas(count, generator)
    if not early_share:
        return sigma
    early = torch.rand(count, generator=generator) < early_share
    return torch.where(early, sampler_sigmas(count, generator, least_time=0.5), sigma)


def target_rows(batch: RegionBatch) -> slice:
    """Token positions of the generated image: after the text, before the original image."""
    text, (rows, cols) = batch.text[0].shape[1], (side // 2 for side in batch.styled.shape[-2:])
    return slice(text, text + rows * cols)
