"""Stage 2 of StyleExpert: training of routed experts by flow matching."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...flux.noise import add_noise, sampler_sigmas
from ...flux.velocity import Reference, predict_velocity
from ..adapters.trainer import AdapterTrainer
from .balance import balance_loss
from .config import ExpertObjective, ExpertsTrainConfig
from .examples import TripletBatch, TripletExamples, draw, whole_batch
from .routed_linear import BatchStyle, RoutedLinear, add_experts, trained_state
from .start import StartExperts
from .usage import ExpertUsage


@dataclass
class ExpertsTrainer(AdapterTrainer):
    """Trains a mixture of experts, or one plain LoRA, on triplets.

    Attributes:
        start: experts to start from, which also choose the adapted layers; None: the experts start untrained.
    """

    materials: ClassVar[str] = "triplets, another base model, another style encoder or another --start"
    title: ClassVar[str] = "experts"

    config: ExpertsTrainConfig
    examples: TripletExamples
    start: StartExperts | None = None

    def add_adapter(self) -> dict[str, nn.Parameter]:
        adapter, seed = self.config.model.adapter, self.config.optimisation.seed
        self.style = BatchStyle()
        layers = None if self.start is None else self.start.require_layers(self.transformer)
        self.routed: dict[str, RoutedLinear] = add_experts(self.transformer, self.style, adapter, seed, layers)
        if self.start is not None:
            self.start.load_into(self.routed)
        self.usage = ExpertUsage(self.routed) if adapter.experts else None
        return trained_state(self.routed)

    def compute_losses(self, number: int) -> dict[str, Tensor]:
        """The losses "flow" and "balance" without weights, and "loss", their weighted sum."""
        objective = self.config.objective
        flow, style = self._flow_loss(number)
        if not objective.balance_weight:
            return {"loss": flow}
        balance = balance_loss(self.routed, style)
        return {"flow": flow, "balance": balance, "loss": flow + objective.balance_weight * balance}

    def example_losses(self, examples: TripletExamples, index: int, generator: torch.Generator) -> dict[str, Tensor]:
        device, objective = self.accelerator.device, self.config.objective
        batch = whole_batch(examples, [examples.triplets[index]]).to(device)
        noise = torch.randn(batch.stylised.shape, generator=generator).to(device)
        sigma = noise_levels(1, objective.detail_share, generator).to(device)
        return {"loss": flow_matching_loss(self.transformer, batch, noise, sigma, self.style, objective)}

    def curves(self) -> dict[str, float]:
        shares = self.usage.shares() if self.usage else ()
        return {f"usage/expert {expert:02}": share for expert, share in enumerate(shares)}

    @property
    def compiles(self) -> bool:
        return self.config.model.compile

    def _flow_loss(self, number: int) -> tuple[Tensor, Tensor | None]:
        """Flow-matching loss and style embeddings of the batch with this number on this process."""
        options, device = self.config.optimisation, self.accelerator.device
        count, window = self._batch_shape(number // options.accumulation)
        number, generator = self.own_number(number)
        batch = draw(self.examples, count, window, options.seed, number, self.config.data.grid).to(device)
        noise = torch.randn(batch.stylised.shape, generator=generator).to(device)
        sigma = noise_levels(count, self.config.objective.detail_share, generator).to(device)
        if self.usage is not None and self.accelerator.is_main_process:
            self.usage.add(batch.style)
        objective, routed = self._objective(generator), self._routed(count, generator)
        return flow_matching_loss(self._model, batch, noise, sigma, self.style, objective, routed), batch.style

    def _objective(self, generator: torch.Generator) -> ExpertObjective:
        """The objective of a batch: a share of the batches has no style reference."""
        objective = self.config.objective
        if objective.reference_dropout and torch.rand((), generator=generator) < objective.reference_dropout:
            return replace(objective, style_reference=False)
        return objective

    def _routed(self, count: int, generator: torch.Generator) -> Tensor | None:
        """1 for the examples [B] with routed experts, 0 for the others; None without routing dropout."""
        dropout = self.config.objective.routing_dropout
        if not dropout:
            return None
        kept = torch.rand(count, generator=generator) >= dropout
        return kept.float().to(self.accelerator.device)

    def _batch_shape(self, step: int) -> tuple[int, int | None]:
        """Number of triplets and side of the crop; batches of whole images have about as many tokens as crops."""
        data, options = self.config.data, self.config.optimisation
        if data.window is None or not data.is_whole(step):
            return options.batch, data.window
        height, width = self.examples.size
        return max(1, options.batch * min(data.window, height) * min(data.window, width) // (height * width)), None


def noise_levels(count: int, detail_share: float, generator: torch.Generator) -> Tensor:
    """Noise levels [count] distributed as in sampling. With probability detail_share a level is uniform in 0..1."""
    sigma = sampler_sigmas(count, generator)
    if not detail_share:
        return sigma
    uniform, chance = torch.rand(2, count, generator=generator)
    return torch.where(chance < detail_share, uniform, sigma)


def flow_matching_loss(model: nn.Module, batch: TripletBatch, noise: Tensor, sigma: Tensor, style: BatchStyle,
                       objective: ExpertObjective, routed: Tensor | None = None) -> Tensor:  # fmt: skip
    """Mean squared error of the predicted velocity against noise - x_0.

    Args:
        model: the transformer with the adapter.
        batch: B triplets. The content image is the first reference; the style image may be the second.
        noise: [B, 16, h, w].
        sigma: noise levels [B].
        style: the styles that the routed layers read; set from the batch.
        objective: guidance and second reference.
        routed: [B], 0 for the examples that use the shared expert alone; None: all use the routed experts.
    """
    if batch.style is not None:
        style.set(batch.style, routed)
    references = [Reference(batch.content, 1, batch.corner)]
    if objective.style_reference:
        references.append(Reference.of_style(batch.reference, batch.reference_corner, objective.style_rows))
    noisy = add_noise(batch.stylised, noise, sigma)
    guidance = torch.full_like(sigma, objective.guidance)
    velocity = predict_velocity(model, noisy, references, sigma, batch.text, guidance, batch.corner)
    return functional.mse_loss(velocity.float(), noise - batch.stylised)
