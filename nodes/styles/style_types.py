"""What travels along the pack's wires: STYLE and ROUTING. (STYLE_EXPERT is a `moe.StyleExpert`.)"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ...moe import Routing, StyleExpert, StyleExpertError


@dataclass(frozen=True)
class Style:
    """A style, read from one or several reference images.

    Attributes:
        embedding: [1, cond_dim], float32, the mean over the references.
        num_references: how many images it was read from.
        encoder_id: `encoder_id` of the encoder that read it; only experts of that encoder understand it.
    """

    embedding: Tensor
    num_references: int
    encoder_id: str


@dataclass(frozen=True)
class RoutingTable:
    """Which experts a style was sent to in every layer, and how strongly.

    Attributes:
        layers: a `Routing` of batch 1 for each adapted layer, in the order of the blocks.
        num_experts: how many routed experts a layer has.
        labels: a short name for each expert, `num_experts` of them.
        arithmetic: "paper" or "release-1": what the weights are multiplied with.
        has_shared: whether a shared expert always takes part.
        source: the expert file's name.
    """

    layers: Mapping[str, Routing]
    num_experts: int
    labels: tuple[str, ...]
    arithmetic: str
    has_shared: bool
    source: str


def encoder_id(encoder: nn.Module) -> str:
    """A short name for the exact weights of a style encoder: 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for name, weight in sorted(encoder.state_dict().items()):
        digest.update(f"{name} {tuple(weight.shape)}".encode())
        digest.update(weight.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def require_style(expert: StyleExpert, style: Style | None) -> Tensor | None:
    """The embedding that `expert` is to follow, [1, cond_dim]; None for a plain LoRA, which has one style only.

    Raises:
        StyleExpertError: there is no style, or it was made by another encoder.
    """
    if expert.config.is_lora:
        return None
    if style is None:
        raise StyleExpertError(
            f"{expert.path.name} holds {expert.config.num_experts} experts to choose from, but no style is connected; "
            "connect the output of Encode Style to 'style'."
        )
    if (found := style.embedding.shape[-1]) != expert.config.cond_dim:
        raise StyleExpertError(
            f"The style has {found} numbers, but the routers of {expert.path.name} expect {expert.config.cond_dim}; "
            "connect the same STYLE_EXPERT to Encode Style and here."
        )
    if expert.encoder_config is not None and (own := encoder_id(expert.encoder)) != style.encoder_id:
        raise StyleExpertError(
            f"The style was read by another style encoder ({style.encoder_id}) than the one of {expert.path.name} "
            f"({own}), whose routers would misread it; connect the same STYLE_EXPERT to Encode Style and here."
        )
    return style.embedding


def routing_table(expert: StyleExpert, embedding: Tensor | None) -> RoutingTable:
    """Where `expert` sends the style `embedding` [1, cond_dim]; a plain LoRA is a single expert at full weight."""
    if embedding is None:
        alone = Routing(indices=torch.zeros(1, 1, dtype=torch.int64), weights=torch.ones(1, 1))
        layers, labels = dict.fromkeys(expert.layers, alone), (expert.path.stem,)
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
