"""Stage 2 of StyleExpert: routed experts by flow matching."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...flux.noise import add_noise, sampler_sigmas
from ...flux.velocity import Reference, predict_velocity
from ..adapters.trainer import LOSSES, AdapterTrainer
from .config import ExpertsTrainConfig
from .examples import Batch, Examples, draw
from .routed_linear import RoutedLinear, Style, add_experts, trained_state
from .start import Start
from .usage import ExpertUsage

__all__ = ["LOSSES", "ExpertsTrainer", "flow_matching_loss"]


@dataclass
class ExpertsTrainer(AdapterTrainer):
    """Trains a mixture of experts, or one plain LoRA, on triplets, from nothing or from ``start``."""

    materials: ClassVar[str] = "triplets, another base, another encoder or another start"
    title: ClassVar[str] = "experts"

    config: ExpertsTrainConfig
    examples: Examples
    start: Start | None = None

    def add_adapter(self) -> dict[str, nn.Parameter]:
        config = self.config
        self.style = Style()
        self.routed: dict[str, RoutedLinear] = add_experts(self.transformer, self.style, config.adapter, config.seed)
        if self.start is not None:
            self.start.load_into(self.routed)
        self.usage = ExpertUsage(self.routed) if config.adapter.experts else None
        return trained_state(self.routed)

    def compute_losses(self, number: int) -> dict[str, Tensor]:
        return {"loss": self._loss(number)}

    def curves(self) -> dict[str, float]:
        shares = self.usage.shares() if self.usage else ()
        return {f"usage/expert {expert:02}": share for expert, share in enumerate(shares)}

    def _loss(self, number: int) -> Tensor:
        """Flow-matching loss of this process's share of the batches with this number."""
        config, step = self.config, number // self.config.accumulation
        number, generator = self.own_number(number)
        count, window = self._batch_shape(step)
        batch = draw(self.examples, count, window, config.seed, number).to(self.accelerator.device)
        noise = torch.randn(batch.stylised.shape, generator=generator).to(self.accelerator.device)
        sigma = sampler_sigmas(count, generator).to(self.accelerator.device)
        if self.usage is not None and self.accelerator.is_main_process:
            self.usage.see(batch.style)
        routed = self._routed(count, generator)
        return flow_matching_loss(self._model, batch, noise, sigma, self.style, config, routed)

    def _routed(self, count: int, generator: torch.Generator) -> Tensor | None:
        """Which rows [B] have routed experts; None where none is ever left out."""
        if not self.config.routing_dropout:
            return None
        kept = torch.rand(count, generator=generator) >= self.config.routing_dropout
        return kept.float().to(self.accelerator.device)

    def _batch_shape(self, step: int) -> tuple[int, int | None]:
        """Triplets of a batch and the window they are seen through; of whole images about as many tokens at once."""
        config = self.config
        if config.window is None or step < (1 - config.whole_share) * config.steps:
            return config.batch, config.window
        height, width = self.examples.size
        return max(1, config.batch * min(config.window, height) * min(config.window, width) // (height * width)), None


def flow_matching_loss(model: torch.nn.Module, batch: Batch, noise: Tensor, sigma: Tensor, style: Style,
                       config: ExpertsTrainConfig, routed: Tensor | None = None) -> Tensor:  # fmt: skip
    """Mean squared error of the velocity noise - x_0 at noise levels ``sigma`` [B], content (and style) beside it.

    ``routed`` [B] is 0 for the rows that the shared expert paints alone.
    """
    if batch.style is not None:
        style.show(batch.style, routed)
    references = [Reference(batch.content, 1, batch.corner)]
    if config.style_reference:
        references.append(Reference.of_style(batch.reference, batch.reference_corner, config.style_rows))
    noisy = add_noise(batch.stylised, noise, sigma)
    guidance = torch.full_like(sigma, config.guidance)
    velocity = predict_velocity(model, noisy, references, sigma, batch.text, guidance, batch.corner)
    return functional.mse_loss(velocity.float(), noise - batch.stylised)
