"""AdamW for an adapter, in 8 bit where a GPU has it, and its learning rate."""

import math

import torch
from torch import nn

from ...errors import TrainingError
from .config import TrainConfig

FLOOR = 0.05
"""Share of the rate at the end of a cosine."""


def build_optimizer(config: TrainConfig, parameters: list[nn.Parameter], device: torch.device) -> torch.optim.Optimizer:
    """AdamW without decay.

    Raises:
        TrainingError: 8 bit was asked for and cannot be had.
    """
    options = {"lr": config.rate, "betas": (0.9, 0.99), "weight_decay": 0.0}
    if config.optimizer == "adamw":
        return torch.optim.AdamW(parameters, **options)
    try:
        if device.type != "cuda":
            raise ImportError(f"this runs on {device.type}")
        from bitsandbytes.optim import AdamW8bit
    except ImportError as error:
        if config.optimizer == "auto":
            return torch.optim.AdamW(parameters, **options)
        raise TrainingError(
            f"adamw-8bit needs a GPU and the package bitsandbytes ({error}): install it, or give --optimizer adamw"
        ) from error
    return AdamW8bit(parameters, **options)


def rate_share(config: TrainConfig, step: int) -> float:
    """Share of the full learning rate at a step."""
    warm = min((step + 1) / config.warmup, 1.0) if config.warmup else 1.0
    if config.schedule == "constant":
        return warm
    return warm * (FLOOR + (1 - FLOOR) * (1 + math.cos(math.pi * min(step / config.steps, 1.0))) / 2)
