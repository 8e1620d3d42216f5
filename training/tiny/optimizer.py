"""The optimiser of the small Kontext: Muon for matrices and convolutions, AdamW for all other weights."""

from typing import Any

import torch
from pytorch_optimizer import Muon
from pytorch_optimizer.optimizer.utils.matrix import zero_power_via_newton_schulz_5
from torch import Tensor, nn
from torch.optim import Optimizer

from ..precision import has_bf16_kernels

NARROW = 8
"""Smallest number of inputs and outputs of a weight for Muon. Convolutions from or to RGB have fewer."""


def build_optimizer(model: nn.Module, matrix_rate: float, rate: float, decay: float = 0.0) -> Muon:
    """Builds Muon (K. Jordan, 2024) with Moonlight's scaling, so that ``matrix_rate`` is comparable to AdamW's rate.

    For the autoencoder, 400 steps of Muon give a lower loss than 4,000 steps of AdamW.

    Args:
        matrix_rate: learning rate of matrices and convolutions.
        rate: learning rate of AdamW for embeddings, biases and gains.
        decay: decoupled weight decay of both.
    """
    embeddings = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    hidden = [p for p in trained if p.ndim >= 2 and min(p.shape[:2]) >= NARROW and id(p) not in embeddings]
    chosen = {id(parameter) for parameter in hidden}
    rest = [parameter for parameter in trained if id(parameter) not in chosen]
    groups = [
        {"params": hidden, "lr": matrix_rate, "weight_decay": decay, "use_muon": True, "use_adjusted_lr": True},
        {"params": rest, "lr": rate, "weight_decay": decay, "betas": (0.9, 0.98), "use_muon": False},
    ]
    kind = Muon if has_bf16_kernels() else Float32Muon
    return kind([group for group in groups if group["params"]])


class Float32Muon(Muon):
    """Muon that orthogonalises its updates in float32.

    The library always uses bfloat16, which a CPU without bfloat16 instructions emulates. There one step of the small
    Kontext takes 30 seconds in bfloat16.
    """

    @staticmethod
    def _orthogonalize(group: dict[str, Any], updates: list[Tensor]) -> list[Tensor]:
        matrices = [update.reshape(update.size(0), -1) for update in updates]
        options = {"num_steps": group["ns_steps"], "weights": group["ns_coeffs"], "dtype": torch.float32}
        return [zero_power_via_newton_schulz_5(matrix, **options) for matrix in matrices]


def set_rate(optimizer: Optimizer, share: float) -> None:
    """Sets the learning rate of every parameter group to ``share`` of its initial rate."""
    for group in optimizer.param_groups:
        group["lr"] = group.setdefault("initial_lr", group["lr"]) * share
