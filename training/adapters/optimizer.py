"""AdamW for an adapter, in 8 bit on GPUs that support it, and its learning rate schedule."""

import math

import torch
from torch import nn

from ...errors import TrainingError
from .config import Optimisation

FLOOR = 0.05
"""Share of the full learning rate at the end of a cosine schedule."""


def build_optimizer(
    options: Optimisation, parameters: list[nn.Parameter], device: torch.device
) -> torch.optim.Optimizer:
    """AdamW without weight decay.

    Raises:
        TrainingError: 8-bit AdamW is required, but not available.
    """
    arguments = {"lr": options.rate, "betas": (0.9, 0.99), "weight_decay": 0.0}
    if options.optimizer == "adamw":
        return torch.optim.AdamW(parameters, **arguments)
    try:
        if device.type != "cuda":
            raise ImportError(f"the device is {device.type}")
        from bitsandbytes.optim import AdamW8bit
    except ImportError as error:
        if options.optimizer == "auto":
            return torch.optim.AdamW(parameters, **arguments)
        raise TrainingError(
            f"adamw-8bit needs a GPU and the package bitsandbytes ({error}): install the package, or give --optimizer "
            "adamw"
        ) from error
    return AdamW8bit(parameters, **arguments)


def rate_share(options: Optimisation, step: int) -> float:
    """Share of the full learning rate at a step."""
    warm = min((step + 1) / options.warmup, 1.0) if options.warmup else 1.0
    if options.schedule == "constant":
        return warm
    return warm * (FLOOR + (1 - FLOOR) * (1 + math.cos(math.pi * min(step / options.steps, 1.0))) / 2)
