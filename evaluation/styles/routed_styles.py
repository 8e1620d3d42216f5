"""Style images with their embeddings and the experts that they choose: how often each is used, and a map of styles."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from ...dataset.triplets import Triplet
from ...moe import StyleExpert
from ...training.style_encoder.vision import load_vision
from ..style_encoder.tsne import FEWEST_IMAGES, project_styles
from .style_embedding import embed_styles


@dataclass(frozen=True)
class RoutedStyles:
    """Style images as an expert file sees them.

    Attributes:
        expert: the expert file.
        triplets: N triplets; their stylised images are the style images.
        embeddings: style embeddings [N, cond_dim].
    """

    expert: StyleExpert
    triplets: list[Triplet]
    embeddings: Tensor

    @cached_property
    def chosen(self) -> dict[str, Tensor]:
        """The experts [N, top_k] that the images choose in each layer."""
        return {layer: routing.indices for layer, routing in self.expert.route(self.embeddings).items()}


@dataclass(frozen=True)
class RoutingSummary:
    """How the routers treat the style images.

    Attributes:
        layers: names of the layers.
        usage: by layer, the share of the style images that choose each expert; a layer's shares sum to top_k.
        points: style, x and y of each style image in a t-SNE map of the embeddings; empty for few images.
    """

    layers: list[str]
    usage: list[list[float]]
    points: list[tuple[str, float, float]]


def route_styles(file: Path, triplets: Sequence[Triplet]) -> RoutedStyles:
    """Embed the stylised image of every triplet, each image once.

    Args:
        file: experts with a style encoder that reads the demo pack's SigLIP.
        triplets: any styles and contents.

    Raises:
        TrainingError: the encoder does not fit the SigLIP.
    """
    expert, vision = StyleExpert.open(file), load_vision("tiny")
    images = {row.stylised: row for row in triplets}
    return RoutedStyles(expert, list(images.values()), embed_styles(expert, vision, list(images)))


def summarise_routing(routed: RoutedStyles) -> RoutingSummary:
    """The use of each expert in each layer, and the map of the styles."""
    experts = routed.expert.config.num_experts
    usage = [expert_shares(indices, experts) for indices in routed.chosen.values()]
    points: list[tuple[str, float, float]] = []
    if len(routed.triplets) >= FEWEST_IMAGES:
        places = project_styles(routed.embeddings).tolist()
        points = [(row.style, x, y) for row, (x, y) in zip(routed.triplets, places, strict=True)]
    return RoutingSummary(list(routed.chosen), usage, points)


def expert_shares(indices: Tensor, experts: int) -> list[float]:
    """The share of N images that choose each expert, from their choices [N, top_k]."""
    return (torch.bincount(indices.flatten(), minlength=experts) / len(indices)).tolist()
