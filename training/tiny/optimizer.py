"""The optimiser of the tiny Kontext's parts: Muon for matrices and convolutions, AdamW for all else."""

from pytorch_optimizer import Muon
from torch import nn
from torch.optim import Optimizer

NARROW = 8
"""A weight with fewer inputs or outputs than this, such as a convolution from or to RGB, is no matrix to Muon."""


def build_optimizer(model: nn.Module, matrix_rate: float, rate: float, decay: float = 0.0) -> Muon:
    """Muon (K. Jordan, 2024) with Moonlight's scaling, so that ``matrix_rate`` reads like a rate of AdamW's.

    On the autoencoder it reaches in 400 steps what AdamW does not reach in 4,000.

    Args:
        matrix_rate: learning rate of matrices and convolutions.
        rate: AdamW's learning rate, for embeddings, biases and gains.
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
    return Muon([group for group in groups if group["params"]])


def set_rate(optimizer: Optimizer, share: float) -> None:
    """Give every parameter group ``share`` of the learning rate that it was made with."""
    for group in optimizer.param_groups:
        group["lr"] = group.setdefault("initial_lr", group["lr"]) * share
