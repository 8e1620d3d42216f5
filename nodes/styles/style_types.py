"""The values behind the types STYLE and ROUTING. (STYLE_EXPERT is a `moe.StyleExpert`, STYLE a `moe.Style`.)"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ...moe import Routing, StyleExpert
from ...moe.style import Style, encoder_id, require_style, require_styles, unused_style

__all__ = ["RoutingTable", "Style", "encoder_id", "require_style", "require_styles", "routing_table", "unused_style"]


@dataclass(frozen=True)
class RoutingTable:
    """The experts that one or several styles were routed to in every layer, and their weights.

    Attributes:
        layers: a `Routing` for each adapted layer, in the order of the blocks; its batch is the number of styles.
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

    @property
    def single_styles(self) -> list["RoutingTable"]:
        """One table, with routings of batch 1, for each style."""
        count = min(len(routing.indices) for routing in self.layers.values())
        return [
            replace(self, layers={key: _row(each, row) for key, each in self.layers.items()}) for row in range(count)
        ]


def routing_table(expert: StyleExpert, embedding: Tensor | None) -> RoutingTable:
    """Routes the style `embedding` [B, cond_dim] through `expert`. A plain LoRA counts as one expert with weight 1."""
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


def _row(routing: Routing, row: int) -> Routing:
    """The routing of one style of a batch, with batch 1."""
    return Routing(indices=routing.indices[row : row + 1], weights=routing.weights[row : row + 1])
