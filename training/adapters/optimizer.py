"""AdamW for an adapter, in 8 bit on GPUs that support it, and its learning rate schedule."""

import math
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from ...errors import TrainingError
from ..checkpoint import Checkpoint
from ..run_folder import CHECKPOINT_FILE, stored_option
from .config import Optimisation, TrainConfig, with_options

AUTO, EIGHT_BIT = "auto", "adamw-8bit"

FLOOR = 0.05
"""Share of the full learning rate at the end of a cosine schedule."""

C = TypeVar("C", bound=TrainConfig)


def build_optimizer(
    options: Optimisation, parameters: list[nn.Parameter], device: torch.device
) -> torch.optim.Optimizer:
    """AdamW without weight decay.

    Args:
        options: the options; `with_settled_optimizer` has replaced "auto".
        parameters: the trained parameters.
        device: their device.

    Raises:
        TrainingError: 8-bit AdamW is required, but not available.
    """
    arguments = {"lr": options.rate, "betas": (0.9, 0.99), "weight_decay": 0.0}
    if options.optimizer != EIGHT_BIT:
        return torch.optim.AdamW(parameters, **arguments)
    if missing := _missing_for_8_bit(device.type):
        raise TrainingError(
            f"adamw-8bit needs a GPU and the package bitsandbytes ({missing}): install the package, or give "
            "--optimizer adamw and another --run"
        )
    from bitsandbytes.optim import AdamW8bit

    return AdamW8bit(parameters, **arguments)


def with_settled_optimizer(config: C) -> C:
    """A copy whose optimiser is not "auto": the one that the run has started with, else the best that is available.

    The run's folder then stores the choice, so that a run that is resumed elsewhere keeps its optimiser.

    Raises:
        TrainingError: the run's configuration or checkpoint is damaged.
    """
    if config.optimisation.optimizer != AUTO:
        return config
    return with_options(config, optimizer=_started_optimizer(config.run.folder) or _best_optimizer())


def _started_optimizer(run: Path) -> str | None:
    """The optimiser of a started run; None for a new run."""
    stored = stored_option(run, "optimisation.optimizer")
    if stored != AUTO:
        return stored
    # Older versions stored "auto". The names in the optimiser's state tell what it was.
    state = Checkpoint(run / CHECKPOINT_FILE).restore()
    if state is None:
        return None
    moments = next(iter(state["optimizer"]["state"].values()), {})
    return EIGHT_BIT if "state1" in moments else "adamw"


def _best_optimizer() -> str:
    return "adamw" if _missing_for_8_bit("cuda" if torch.cuda.is_available() else "cpu") else EIGHT_BIT


def _missing_for_8_bit(device: str) -> str:
    """The reason why 8-bit AdamW is not available; empty if it is."""
    if device != "cuda":
        return f"the device is {device}"
    try:
        import bitsandbytes  # noqa: F401
    except ImportError as error:
        return str(error)
    return ""


def rate_share(options: Optimisation, step: int) -> float:
    """Share of the full learning rate at a step."""
    warm = min((step + 1) / options.warmup, 1.0) if options.warmup else 1.0
    if options.schedule == "constant":
        return warm
    return warm * (FLOOR + (1 - FLOOR) * (1 + math.cos(math.pi * min(step / options.steps, 1.0))) / 2)
