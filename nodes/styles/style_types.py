"""The values behind the types STYLE and ROUTING. (STYLE_EXPERT is a `moe.StyleExpert`.)"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ...moe import Routing, StyleExpert, StyleExpertError


@dataclass(frozen=True)
class Style:
    """A style that was encoded from one or several style images.

    Attributes:
        embedding: [1, cond_dim] float32, the mean over the style images.
        num_references: number of style images.
        encoder_id: `encoder_id` of the style encoder. Only experts with the same encoder accept the style.
    """

    embedding: Tensor
    num_references: int
    encoder_id: str


@dataclass(frozen=True)
class RoutingTable:
    """The experts that a style was routed to in every layer, and their weights.

    Attributes:
        layers: a `Routing` of batch 1 for each adapted layer, in the order of the blocks.
        num_experts: number of routed experts per layer.
        labels: `num_experts` short names of the experts.
        arithmetic: "paper" or "release-1": how the weights are applied.
        has_shared: whether a shared expert takes part in every style.
        source: name of the expert file.
    """

    layers: Mapping[str, Routing]
    num_experts: int
    labels: tuple[str, ...]
    arithmetic: str
    has_shared: bool
    source: str


def encoder_id(encoder: nn.Module) -> str:
    """Digest of the exact weights of a style encoder: 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for name, weight in sorted(encoder.state_dict().items()):
        digest.update(f"{name} {tuple(weight.shape)}".encode())
        digest.update(weight.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def require_style(expert: StyleExpert, style: Style | None) -> Tensor | None:
    """The embedding [1, cond_dim] for the routers of `expert`; None for a plain LoRA, which has one style only.

    Raises:
        StyleExpertError: there is no style, or another encoder made it.
    """
    if expert.config.is_lora:
        return None
    if style is None:
        raise StyleExpertError(
            f"{expert.path.name} needs a style to choose among its {expert.config.num_experts} experts, but no style "
            "is connected. Connect the output of Encode Style to 'style'."
        )
    if (found := style.embedding.shape[-1]) != expert.config.cond_dim:
        raise StyleExpertError(
            f"The style has {found} numbers, but the routers of {expert.path.name} expect {expert.config.cond_dim}. "
            "Connect the same STYLE_EXPERT to Encode Style and to this node."
        )
    if expert.encoder_config is not None and (own := encoder_id(expert.encoder)) != style.encoder_id:
        raise StyleExpertError(
            f"The style comes from the style encoder {style.encoder_id}, but {expert.path.name} expects its own "
            f"encoder {own}. Connect the same STYLE_EXPERT to Encode Style and to this node."
        )
    return style.embedding


def routing_table(expert: StyleExpert, embedding: Tensor | None) -> RoutingTable:
    """Routes the style `embedding` [1, cond_dim] through `expert`. A plain LoRA counts as one expert with weight 1."""
    if embedding is None:
        single = Routing(indices=torch.zeros(1, 1, dtype=torch.int64), weights=torch.ones(1, 1))
        layers, labels = dict.fromkeys(expert.layers, single), (expert.path.stem,)
    else:
        layers, labels = expert.route(embedding), tuple(map(str, range(expert.config.num_experts)))
    return RoutingTable(
        layers=layers,
        num_experts=len(labels),
        labels=labels,
        arithmetic=expert.config.routing,
        has_shared=expert.config.shared_rank > 0,
        source=expert.path.name,
    )
