"""The MoE-LoRA layer for training: one batched low-rank product of the shared and the chosen experts (StyleExpert)."""

import math
from collections.abc import Collection
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...errors import TrainingError
from ...moe import LowRank
from ...moe.config import RELEASE_ALPHA
from ...moe.router import Router

ADAPTED = (
    "attn.to_q", "attn.to_k", "attn.to_v", "attn.to_out.0", "attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj",
    "attn.to_add_out", "ff.net.0.proj", "ff.net.2", "ff_context.net.0.proj", "ff_context.net.2", "proj_mlp", "proj_out",
)  # fmt: skip
"""Ends of the adapted layers' names: every attention and feed-forward linear layer of a block."""


@dataclass(frozen=True)
class AdapterConfig:
    """Sizes of the adapter. Without routed experts (``experts`` 0) the adapter is one plain LoRA, the shared expert.

    Attributes:
        experts: E, number of routed experts.
        rank: r, rank of a routed expert.
        shared_rank: r_s, rank of the shared expert.
        top_k: k, routed experts that a layer uses for a style.
        alpha: numerator of the paper's scale alpha / r.
        cond_dim: width of the style embedding.
        routing: arithmetic of the routing, the paper's or the published weights' (see ``moe.mixture``).

    Raises:
        TrainingError: the sizes are impossible.
    """

    experts: int = 16
    rank: int = 8
    shared_rank: int = 8
    top_k: int = 2
    alpha: float = 16.0
    cond_dim: int = 3072
    routing: Literal["paper", "release-1"] = "paper"

    def __post_init__(self) -> None:
        least = {"experts": 0, "rank": 1, "shared_rank": 1, "top_k": 1, "cond_dim": 1 if self.experts else 0}
        for name, number in least.items():
            if getattr(self, name) < number:
                raise TrainingError(f"{name} is {getattr(self, name)}, expected {number} or more: give another value")
        if self.experts and self.top_k > self.experts:
            raise TrainingError(
                f"top_k is {self.top_k}, but there are only {self.experts} experts: give a smaller top_k"
            )
        if not 0 < self.scale < math.inf:
            raise TrainingError(
                f"the scale of the experts is {self.scale} (alpha {self.alpha}, rank {self.rank}, {self.routing}), "
                f"expected a number above 0. Give another alpha, or for release-1 a rank of at most {RELEASE_ALPHA}"
            )

    @property
    def scale(self) -> float:
        """Factor of the summed experts."""
        if not self.experts:
            return self.alpha / self.shared_rank
        return float(RELEASE_ALPHA // self.rank) if self.routing == "release-1" else self.alpha / self.rank


class BatchStyle:
    """The styles of the current batch, which all routed layers share.

    Attributes:
        embedding: style embeddings [B, cond_dim].
        routed: [B], 1 for examples with routed experts, 0 for the shared expert alone; None: all have routed experts.
    """

    embedding: Tensor
    routed: Tensor | None = None

    def set(self, embedding: Tensor, routed: Tensor | None = None) -> None:
        """Set the styles of the next batch."""
        self.embedding, self.routed = embedding, routed


class RoutedLinear(nn.Module):
    """h' = l(h) + alpha / r * (B_s A_s + sum_i w_i B_i A_i) h, with experts chosen for each example of the batch.

    A starts with the standard deviation 1/r, as in the release, and B at zero, so that an untrained expert changes
    nothing. The activations of an example are multiplied with one pair of rank r_s + k r, so that no expert needs
    activations of its own.
    """

    def __init__(self, base: nn.Linear, style: BatchStyle, config: AdapterConfig) -> None:
        super().__init__()
        self.base, self.style, self.config = base, style, config
        self.shared_A = _down(1, config.shared_rank, base.in_features, plain=not config.experts)
        self.shared_B = nn.Parameter(torch.zeros(1, base.out_features, config.shared_rank))
        if config.experts:
            self.loraA = _down(config.experts, config.rank, base.in_features)
            self.loraB = nn.Parameter(torch.zeros(config.experts, base.out_features, config.rank))
            self.cond_gate = Router(num_experts=config.experts, cond_dim=config.cond_dim, top_k=config.top_k)

    def forward(self, hidden: Tensor) -> Tensor:
        """[B, N, in] or [B, in] -> [B, N, out] or [B, out]."""
        if not self.config.experts:
            return self.base(hidden) + self._plain(hidden)
        down, up = self._pair(len(hidden))
        rows = hidden.reshape(len(hidden), -1, hidden.shape[-1])
        branch = (rows @ down.transpose(1, 2)) @ up.transpose(1, 2)
        return self.base(hidden) + branch.view(*hidden.shape[:-1], -1)

    def _plain(self, hidden: Tensor) -> Tensor:
        """The shared expert alone: one pair for the whole batch, with one set of weights and gradients."""
        return functional.linear(functional.linear(hidden, self.shared_A[0]), self.shared_B[0] * self.config.scale)

    def _pair(self, batch: int) -> tuple[Tensor, Tensor]:
        """Shared and chosen experts of each example, concatenated: down [B, R, in], and up [B, out, R] with scale."""
        shared_up = self.shared_B.expand(batch, -1, -1)
        shared_down = self.shared_A.expand(batch, -1, -1)
        indices, weights = self._routing()
        if self.config.routing == "release-1":
            # In the release the weights are shifted by one: the first weight multiplies the shared expert, and the last
            # chosen expert gets the weight 0.
            shared_up, indices, weights = shared_up * weights[:, :1, None], indices[:, :-1], weights[:, 1:]
        if self.style.routed is not None:
            weights = weights * self.style.routed[:, None]
        down = torch.cat([shared_down, self.loraA[indices].flatten(1, 2)], dim=1)
        kept = self.loraB[indices] * weights[..., None, None]  # [B, k, out, r]
        up = torch.cat([shared_up, kept.transpose(1, 2).flatten(2)], dim=2)
        return down, up * self.config.scale

    def _routing(self) -> tuple[Tensor, Tensor]:
        """Indices and weights [B, k], in float32 as at inference: rounding must not swap two close logits."""
        style = self.style.embedding
        # The meta device, which counts operations, has no autocast.
        has_autocast = torch.amp.is_autocast_available(style.device.type)
        with torch.autocast(style.device.type, enabled=False) if has_autocast else nullcontext():
            routing = self.cond_gate(style.float())
        return routing.indices, routing.weights


def add_experts(
    transformer: nn.Module,
    style: BatchStyle,
    config: AdapterConfig,
    seed: int = 0,
    layers: Collection[str] | None = None,
) -> dict[str, RoutedLinear]:
    """Freeze the transformer and replace each adapted linear layer with a routed layer; returns them by layer name.

    Args:
        transformer: the base model.
        style: the styles of the current batch.
        config: sizes of the adapter.
        seed: seed of the initial weights.
        layers: names of the adapted layers; None: all linear layers of a block that end as in `ADAPTED`.
    """
    torch.manual_seed(seed)
    transformer.requires_grad_(False)
    routed: dict[str, RoutedLinear] = {}
    for name, module in list(transformer.named_modules()):
        adapted = "blocks." in name and name.endswith(ADAPTED) if layers is None else name in layers
        if not adapted or not isinstance(module, nn.Linear):
            continue
        layer = RoutedLinear(module, style, config).to(module.weight.device)
        parent, _, child = name.rpartition(".")
        setattr(transformer.get_submodule(parent), child, layer)
        routed[name] = layer
    return routed


def trained_state(routed: dict[str, RoutedLinear]) -> dict[str, Tensor]:
    """The trained parameters by their names in the published layout: ``<layer>.lora_layer.<part>``."""
    return {
        f"{name}.lora_layer.{part}": parameter
        for name, layer in routed.items()
        for part, parameter in layer.named_parameters()
        if not part.startswith("base.")
    }


def shared_pairs(routed: dict[str, RoutedLinear]) -> dict[str, LowRank]:
    """The shared expert of every layer as a low-rank pair; `up` includes the scale."""
    return {
        name: LowRank(up=layer.shared_B[0].detach() * layer.config.scale, down=layer.shared_A[0].detach())
        for name, layer in routed.items()
    }


def _down(count: int, rank: int, width: int, plain: bool = False) -> nn.Parameter:
    """Untrained down-projections [count, rank, width].

    Args:
        count: number of experts.
        rank: r.
        width: size of the layer's input.
        plain: a single LoRA, which starts as PEFT's default does, uniform within 1 / sqrt(width). Otherwise the weights
            start at N(0, 1/r^2), as those of the release's routed and shared experts (0.125 at r = 8).
    """
    weights = torch.randn(count, rank, width) / rank
    if plain:
        for weight in weights:
            nn.init.kaiming_uniform_(weight, a=math.sqrt(5))
    return nn.Parameter(weights)
