"""Whether two style images choose the same experts: StyleExpert's intersection over union."""

from collections.abc import Mapping
from math import comb

import torch
from torch import Tensor
from torch.nn import functional


def expert_overlap(chosen: Mapping[str, Tensor], experts: int) -> Tensor:
    """IoU [N, N] of every two images' chosen experts, averaged over layers; 1 for equal choices.

    Args:
        chosen: by layer, the indices [N, k] of the experts that are chosen for N images.
        experts: number of experts in a layer.
    """
    layers = []
    for indices in chosen.values():
        member = functional.one_hot(indices, experts).sum(1).float()  # [N, E]
        common = member @ member.T  # [N, N]
        layers.append(common / (2 * indices.shape[1] - common))
    return torch.stack(layers).mean(0)


def chance_overlap(experts: int, top_k: int) -> float:
    """Expected IoU of two random sets of k out of E experts."""
    sets, total = comb(experts, top_k), 0.0
    for common in range(top_k + 1):
        probability = comb(top_k, common) * comb(experts - top_k, top_k - common) / sets
        total += probability * common / (2 * top_k - common)
    return total
