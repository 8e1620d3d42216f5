"""RegionRoute's training: flow matching, and the attention of the style's words held to the object's mask."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...flux.noise import add_noise, sampler_sigmas
from ...flux.velocity import Reference, predict_velocity
from ..adapters.trainer import AdapterTrainer
from ..changed_cells import weigh_changed
from .capture import capture_maps
from .config import RegionTrainConfig
from .examples import Batch, RegionExamples, draw
from .lora import add_lora
from .losses import attention_losses, joint_loss, share_inside


@dataclass
class RegionTrainer(AdapterTrainer):
    """Trains one style's LoRA.

    Attributes:
        capture: the maps of the supervised blocks; at rest where no loss looks at them.
    """

    materials: ClassVar[str] = "examples or another base"

    config: RegionTrainConfig
    examples: RegionExamples

    def add_adapter(self) -> dict[str, nn.Parameter]:
        config = self.config
        self.capture = capture_maps(self.transformer, config.blocks, config.losses.slice)
        self._looked: dict[str, float] = {}
        return add_lora(self.transformer, config.rank, config.adapted, config.seed)

    def compute_losses(self, number: int) -> dict[str, Tensor]:
        """ "flow", "focus" and "cover" as they are, and "loss", their weighted sum."""
        config, (number, generator) = self.config, self.own_number(number)
        batch = draw(self.examples, config.batch, config.seed, number).to(self.accelerator.device)
        noise = torch.randn(batch.styled.shape, generator=generator).to(self.accelerator.device)
        sigma = noise_levels(config, generator).to(self.accelerator.device)
        if config.supervised:
            self.capture.expect(batch.spans, target_rows(batch))
        flow = flow_matching_loss(self._model, batch, noise, sigma, config)
        attention = self._attention_losses(batch) if config.supervised else {}
        return {"flow": flow, **attention, "loss": joint_loss(flow, attention, config)}

    def curves(self) -> dict[str, float]:
        return self._looked

    @property
    def title(self) -> str:
        return f"region expert {self.config.styles[0]}"

    def _attention_losses(self, batch: Batch) -> dict[str, Tensor]:
        maps = self.capture.take()
        self._looked = {
            "attention inside": share_inside(list(maps.values()), batch.masks),
            "attention on the style's words": torch.stack(list(maps.values())).mean().item(),
        }
        return attention_losses(maps, batch.masks, self.config)


def flow_matching_loss(
    model: nn.Module, batch: Batch, noise: Tensor, sigma: Tensor, config: RegionTrainConfig
) -> Tensor:
    """Mean squared error of the velocity noise - x_0 at noise levels ``sigma`` [B], the original beside it.

    Cells that the style changes weigh as the configuration has it.
    """
    noisy = add_noise(batch.styled, noise, sigma)
    guidance = torch.full_like(sigma, config.guidance)
    reference = Reference(batch.original, config.reference_index)
    velocity = predict_velocity(model, noisy, [reference], sigma, batch.text, guidance)
    error = functional.mse_loss(velocity.float(), noise - batch.styled, reduction="none").mean(1)
    return weigh_changed(error, batch.styled, batch.original, config.changed_weight)


def noise_levels(config: RegionTrainConfig, generator: torch.Generator) -> Tensor:
    """[B], the sampler's own, some of them of its first half alone."""
    sigma = sampler_sigmas(config.batch, generator)
    if not config.early_share:
        return sigma
    early = torch.rand(config.batch, generator=generator) < config.early_share
    return torch.where(early, sampler_sigmas(config.batch, generator, least_time=0.5), sigma)


def target_rows(batch: Batch) -> slice:
    """The queries of the image that is painted: behind the text, before the original."""
    text, (rows, cols) = batch.text[0].shape[1], (side // 2 for side in batch.styled.shape[-2:])
    return slice(text, text + rows * cols)
