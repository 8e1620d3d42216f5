"""The MoE-LoRA layer in training: one batched low-rank product over the shared and the kept experts (StyleExpert)."""

import math

import torch
from torch import Tensor, nn

from ...moe.router import route

ADAPTED = (
    "attn.to_q", "attn.to_k", "attn.to_v", "attn.to_out.0", "attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj",
    "attn.to_add_out", "ff.net.0.proj", "ff.net.2", "ff_context.net.0.proj", "ff_context.net.2", "proj_mlp", "proj_out",
)  # fmt: skip
"""Every attention and feed-forward linear of a block."""


class Style:
    """The style embeddings [B, cond_dim] of the batch under way, shared by all routed layers."""

    embedding: Tensor


class RoutedLinear(nn.Module):
    """h' = l(h) + alpha / r * (B_s A_s + sum_i w_i B_i A_i) h, the experts chosen for each row of the batch.

    A starts at N(0, 1/r) and B at zero, so that an untrained expert changes nothing.
    """

    def __init__(self, base: nn.Linear, style: Style, *, experts: int, rank: int, top_k: int, alpha: float,
                 gate: Tensor) -> None:  # fmt: skip
        super().__init__()
        self.base, self.style, self.top_k, self.scale = base, style, top_k, alpha / rank
        self.loraA = nn.Parameter(torch.randn(experts, rank, base.in_features) / math.sqrt(rank))
        self.loraB = nn.Parameter(torch.zeros(experts, base.out_features, rank))
        self.shared_A = nn.Parameter(torch.randn(1, rank, base.in_features) / math.sqrt(rank))
        self.shared_B = nn.Parameter(torch.zeros(1, base.out_features, rank))
        self.cond_gate = nn.Parameter(gate)

    def forward(self, hidden: Tensor) -> Tensor:
        """[B, N, in] or [B, in] -> [B, N, out] or [B, out]."""
        style = self.style.embedding
        routing = route(style.float() @ self.cond_gate.float().T, self.top_k)
        indices, weights = routing.indices, routing.weights  # [B, k]
        batch = len(style)
        down = torch.cat([self.shared_A.expand(batch, -1, -1), self.loraA[indices].flatten(1, 2)], dim=1)  # [B, R, in]
        scaled = self.loraB[indices] * weights[..., None, None]  # [B, k, out, r]
        up = torch.cat([self.shared_B.expand(batch, -1, -1), scaled.transpose(1, 2).flatten(2)], dim=2)  # [B, out, R]
        rows = hidden.reshape(batch, -1, hidden.shape[-1])
        branch = (rows @ down.transpose(1, 2)) @ up.transpose(1, 2)
        return self.base(hidden) + self.scale * branch.view(*hidden.shape[:-1], -1)


def add_experts(transformer: nn.Module, style: Style, *, experts: int, rank: int, top_k: int, alpha: float,
                cond_dim: int) -> dict[str, RoutedLinear]:  # fmt: skip
    """Freeze the transformer and put a routed layer in place of each adapted linear; they come back by layer name."""
    transformer.requires_grad_(False)
    routed: dict[str, RoutedLinear] = {}
    for name, module in list(transformer.named_modules()):
        if "blocks." not in name or not name.endswith(ADAPTED) or not isinstance(module, nn.Linear):
            continue
        gate = torch.randn(experts, cond_dim) / math.sqrt(cond_dim)
        layer = RoutedLinear(module, style, experts=experts, rank=rank, top_k=top_k, alpha=alpha, gate=gate)
        parent, _, child = name.rpartition(".")
        setattr(transformer.get_submodule(parent), child, layer)
        routed[name] = layer
    return routed


def expert_tensors(routed: dict[str, RoutedLinear]) -> dict[str, Tensor]:
    """The experts under the key names of the published layout."""
    tensors: dict[str, Tensor] = {}
    for name, layer in routed.items():
        for part in ("loraA", "loraB", "shared_A", "shared_B"):
            tensors[f"{name}.lora_layer.{part}"] = getattr(layer, part).detach()
        tensors[f"{name}.lora_layer.cond_gate.weight"] = layer.cond_gate.detach()
    return tensors
