"""Ways to run a mixture of experts in diffusers, against the bare model: this pack's layer, and the methods of others.

The methods of others: PEFT with one LoRA of the kept rank, PEFT with all experts as weighted adapters at once (as
X-LoRA mixes them), and one product for each kept expert. The last one follows the description of StyleExpert's layer,
which has an output of its own for each expert; it is written here.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from diffusers import FluxTransformer2DModel
from torch import Tensor, nn

from ..moe.router import Router
from ..training.experts.routed_linear import ADAPTED, AdapterConfig, BatchStyle, add_experts
from .budget import NO_TIME, Budget
from .experts import CONFIG, RANK, lora_config
from .measurement import Measurement, alternating_ratios
from .random_transformer import (
    autocast,
    finish,
    random_latents,
    random_transformer,
    velocity_of,
    with_the_weights_of,
)


class PerExpertLinear(nn.Module):
    """A linear layer plus the weighted outputs of the shared expert and of the kept experts, each computed in full.

    Args:
        base: the layer.
        style: the styles of the batch.
        config: sizes of the experts. The shared expert has the same rank as the others.
    """

    def __init__(self, base: nn.Linear, style: BatchStyle, config: AdapterConfig) -> None:
        super().__init__()
        self.base, self.style, self.config = base, style, config
        count, like = config.experts + 1, {"device": base.weight.device, "dtype": base.weight.dtype}
        self.down = nn.Parameter(torch.randn(count, config.rank, base.in_features, **like) / config.rank)
        self.up = nn.Parameter(torch.zeros(count, base.out_features, config.rank, **like))
        self.gate = Router(num_experts=config.experts, cond_dim=config.cond_dim, top_k=config.top_k)

    def forward(self, hidden: Tensor) -> Tensor:
        """[B, N, in] -> [B, N, out]. The last expert is the shared one."""
        routing = self.gate(self.style.embedding)
        shared = torch.full_like(routing.indices[:, :1], self.config.experts)
        chosen = torch.cat([shared, routing.indices], dim=1)  # [B, k + 1]
        weights = torch.cat([torch.ones_like(routing.weights[:, :1]), routing.weights], dim=1) * self.config.scale
        inner = torch.einsum("bnd,bkrd->bknr", hidden, self.down[chosen])
        outputs = torch.einsum("bknr,bkor->bkno", inner, self.up[chosen])  # as large as k + 1 outputs of the layer
        return self.base(hidden) + torch.einsum("bkno,bk->bno", outputs, weights.to(outputs.dtype))


def add_routed(model: FluxTransformer2DModel, style: BatchStyle) -> None:
    """This pack's layer, with the experts in the dtype of the model."""
    for layer in add_experts(model, style, CONFIG).values():
        for weight in (layer.shared_A, layer.shared_B, layer.loraA, layer.loraB):
            weight.data = weight.data.to(layer.base.weight.dtype)


def add_lora(model: FluxTransformer2DModel, style: BatchStyle) -> None:
    """PEFT's LoRA of the rank of the shared and the kept experts."""
    model.add_adapter(lora_config(RANK))


def add_mixed_loras(model: FluxTransformer2DModel, style: BatchStyle) -> None:
    """PEFT's LoRAs, one for each expert, all active with a weight."""
    names = [f"expert_{number}" for number in range(CONFIG.experts + 1)]
    for name in names:
        model.add_adapter(lora_config(CONFIG.rank), name)
    model.set_adapters(names, [1 / len(names)] * len(names))


def add_per_expert(model: FluxTransformer2DModel, style: BatchStyle) -> None:
    """One product for each kept expert."""
    for name, module in list(model.named_modules()):
        if "blocks." in name and name.endswith(ADAPTED) and isinstance(module, nn.Linear):
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, PerExpertLinear(module, style, CONFIG))


MIXTURES: dict[str, Callable[[FluxTransformer2DModel, BatchStyle], None]] = {
    "this pack's layer for routed experts": add_routed,
    f"PEFT's LoRA of rank {RANK}": add_lora,
    f"PEFT, all {CONFIG.experts + 1} experts as weighted adapters (X-LoRA)": add_mixed_loras,
    "one einsum for each kept expert (release)": add_per_expert,
}
"""The ways to run experts in diffusers, by the name in the table."""


def run_benchmark(
    sizes: Mapping[str, Any],
    pairs: int,
    cells: int,
    name: str = "",
    device: str = "cpu",
    budget: Budget | None = None,
) -> Iterator[Measurement | str]:
    """Measure a step of the transformer with each mixture, against the bare transformer.

    Args:
        sizes: sizes of the transformer, as diffusers names them.
        pairs: largest number of pairs.
        cells: side of the latents; the reference has the same size.
        name: name of the sizes in the table.
        device: a torch device.
        budget: the time limit; mixtures after it give sentences.
    """
    if budget is not None and budget.is_over:
        yield f"{name}, mixtures in diffusers: {NO_TIME}"
        return
    bare, latents = random_transformer(sizes, device), random_latents(1, cells, device)
    theirs = _step(bare, latents, device)
    for number, (what, add) in enumerate(MIXTURES.items()):
        if budget is not None and budget.is_over:
            yield f"{name}, {what}: {NO_TIME}"
            continue
        part = budget and budget.part(budget.share([1.0] * (len(MIXTURES) - number)))
        model = with_mixture(bare, add)
        found = alternating_ratios(_step(model, latents, device), theirs, pairs, part)
        yield Measurement(f"step in diffusers, {what}", "the bare step", found, None, size=name)


def with_mixture(
    bare: FluxTransformer2DModel, add: Callable[[FluxTransformer2DModel, BatchStyle], None]
) -> FluxTransformer2DModel:
    """A transformer with the bare one's weights and a mixture for a random style."""
    model, style, device = with_the_weights_of(bare), BatchStyle(), bare.device
    style.set(torch.randn(1, CONFIG.cond_dim, device=device))
    with torch.device(device):
        add(model, style)
    return model


def _step(model: FluxTransformer2DModel, latents: tuple[Tensor, Tensor], device: str) -> Callable[[], None]:
    predict = velocity_of(model, *latents)

    def step() -> None:
        with torch.no_grad(), autocast(device):
            predict()
        finish(device)

    return step
