"""The MoE-LoRA layer in training: one batched low-rank product over the shared and the kept experts (StyleExpert)."""

import math
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
"""Every attention and feed-forward linear of a block."""


@dataclass(frozen=True)
class AdapterConfig:
    """Sizes of the adapter; without routed experts (``experts`` 0) it is one plain LoRA, the shared expert.

    Attributes:
        experts: E, the routed ones.
        rank: r of a routed expert.
        shared_rank: r_s of the shared expert.
        top_k: k, the experts kept a layer.
        alpha: numerator of the paper's scale alpha / r.
        cond_dim: width of the style embedding.
        routing: the paper's arithmetic, or that of the published weights (moe's ``mixture``).

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
                raise TrainingError(f"{name} is {getattr(self, name)}, expected {number} or more: give another one")
        if self.experts and self.top_k > self.experts:
            raise TrainingError(f"top_k is {self.top_k}, but there are only {self.experts} experts: give fewer to keep")
        if not 0 < self.scale < math.inf:
            raise TrainingError(
                f"the experts would be multiplied with {self.scale} (alpha {self.alpha}, rank {self.rank}, "
                f"{self.routing}), expected a number above 0: give another alpha, or for release-1 a rank of "
                f"{RELEASE_ALPHA} at the most"
            )

    @property
    def scale(self) -> float:
        """What the summed experts are multiplied with."""
        if not self.experts:
            return self.alpha / self.shared_rank
        return float(RELEASE_ALPHA // self.rank) if self.routing == "release-1" else self.alpha / self.rank


class Style:
    """The styles of the batch under way, shared by all routed layers.

    Attributes:
        embedding: [B, cond_dim].
        routed: [B], 1 where the routed experts speak and 0 where the shared one is alone; None for all.
    """

    embedding: Tensor
    routed: Tensor | None = None

    def show(self, embedding: Tensor, routed: Tensor | None = None) -> None:
        """The styles of the next batch."""
        self.embedding, self.routed = embedding, routed


class RoutedLinear(nn.Module):
    """h' = l(h) + alpha / r * (B_s A_s + sum_i w_i B_i A_i) h, the experts chosen for each row of the batch.

    A starts at N(0, 1/r) and B at zero, so that an untrained expert changes nothing. The activations are multiplied
    with one pair of rank r_s + k r a row, however many experts are kept: no expert has activations of its own.
    """

    def __init__(self, base: nn.Linear, style: Style, config: AdapterConfig) -> None:
        super().__init__()
        self.base, self.style, self.config = base, style, config
        self.shared_A = _down(1, config.shared_rank, base.in_features)
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
        """The shared expert alone: one pair for all rows, so that no row needs weights, or gradients, of its own."""
        return functional.linear(functional.linear(hidden, self.shared_A[0]), self.shared_B[0] * self.config.scale)

    def _pair(self, batch: int) -> tuple[Tensor, Tensor]:
        """Each row's shared and kept experts side by side: down [B, R, in] and up [B, out, R], weights and scale in."""
        shared_up = self.shared_B.expand(batch, -1, -1)
        shared_down = self.shared_A.expand(batch, -1, -1)
        indices, weights = self._routing()
        if self.config.routing == "release-1":
            # The shared expert stands first and the padding zero last: each weight goes to the expert before its own.
            shared_up, indices, weights = shared_up * weights[:, :1, None], indices[:, :-1], weights[:, 1:]
        if self.style.routed is not None:
            weights = weights * self.style.routed[:, None]
        down = torch.cat([shared_down, self.loraA[indices].flatten(1, 2)], dim=1)
        kept = self.loraB[indices] * weights[..., None, None]  # [B, k, out, r]
        up = torch.cat([shared_up, kept.transpose(1, 2).flatten(2)], dim=2)
        return down, up * self.config.scale

    def _routing(self) -> tuple[Tensor, Tensor]:
        """Indices and weights [B, k]. In float32, as at inference: two near logits must not change places."""
        style = self.style.embedding
        with torch.autocast(style.device.type, enabled=False):
            routing = self.cond_gate(style.float())
        return routing.indices, routing.weights


def add_experts(transformer: nn.Module, style: Style, config: AdapterConfig, seed: int = 0) -> dict[str, RoutedLinear]:
    """Freeze the transformer and put a routed layer in place of each adapted linear; they come back by layer name."""
    torch.manual_seed(seed)
    transformer.requires_grad_(False)
    routed: dict[str, RoutedLinear] = {}
    for name, module in list(transformer.named_modules()):
        if "blocks." not in name or not name.endswith(ADAPTED) or not isinstance(module, nn.Linear):
            continue
        layer = RoutedLinear(module, style, config).to(module.weight.device)
        parent, _, child = name.rpartition(".")
        setattr(transformer.get_submodule(parent), child, layer)
        routed[name] = layer
    return routed


def trained_state(routed: dict[str, RoutedLinear]) -> dict[str, Tensor]:
    """The trained parameters by the key names of the published layout: ``<layer>.lora_layer.<part>``."""
    return {
        f"{name}.lora_layer.{part}": parameter
        for name, layer in routed.items()
        for part, parameter in layer.named_parameters()
        if not part.startswith("base.")
    }


def shared_pairs(routed: dict[str, RoutedLinear]) -> dict[str, LowRank]:
    """The shared expert of every layer as a low-rank pair, the scale within `up`."""
    return {
        name: LowRank(up=layer.shared_B[0].detach() * layer.config.scale, down=layer.shared_A[0].detach())
        for name, layer in routed.items()
    }


def _down(count: int, rank: int, width: int) -> nn.Parameter:
    return nn.Parameter(torch.randn(count, rank, width) / math.sqrt(rank))
