"""What every trainer of an adapter is told, and the check of its numbers."""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from ...errors import TrainingError

PLACES = ("run", "data", "root", "encoder", "start", "output", "cache")
"""Where things lie. What lies there is part of a run's identity: the same under another name is the same run."""
FREE = (*PLACES, "minutes", "half", "save_every", "validate_every", "compile", "checkpointing")
"""What may change between two pieces of a run."""


class TrainConfig(Protocol):
    """Fields that the trainers' configurations share; each documents its own.

    Attributes:
        rate: AdamW's learning rate.
        schedule: "constant", or "cosine" down to a twentieth.
        warmup: steps until the full rate.
        batch: examples of one device in one step.
        accumulation: batches whose gradients are added up before a step.
        steps: length of the training.
        seed: of first weights and all batches.
        precision: "bf16" or "no" (float32).
        optimizer: "adamw", "adamw-8bit" (bitsandbytes, on a GPU), or "auto": 8 bit where it can be had.
        checkpointing: recompute activations in the backward pass, for less memory.
        compile: torch.compile of the transformer.
        minutes: how long this piece may run; the next one goes on where it stopped.
        save_every: steps between two checkpoints.
        run: folder of configuration, checkpoint, curves and images.
    """

    rate: float
    schedule: str
    warmup: int
    batch: int
    accumulation: int
    steps: int
    seed: int
    precision: str
    optimizer: str
    checkpointing: bool
    compile: bool
    minutes: float
    save_every: int
    run: Path


def free_fields(config: TrainConfig) -> tuple[str, ...]:
    """A cosine ends at the last step, and another last step would be another run; a constant rate knows no end."""
    ends = config.schedule != "constant" or getattr(config, "steps_shape_the_run", False)
    return FREE if ends else (*FREE, "steps")


def require_numbers(config: object, least_1: Iterable[str], least_0: Iterable[str], positive: Iterable[str]) -> None:
    """Refuse impossible numbers by their fields' names.

    Raises:
        TrainingError: a field is below 1, below 0, or not above 0; or a rate is infinite.
    """
    for least, names in ((1, least_1), (0, least_0)):
        for name in names:
            if getattr(config, name) < least:
                raise TrainingError(f"{name} is {getattr(config, name)}, expected {least} or more: give another one")
    if math.isinf(rate := getattr(config, "rate", 0.0)):
        raise TrainingError(f"rate is {rate}, expected a finite number: give another one")
    for name in positive:
        if not getattr(config, name) > 0:
            raise TrainingError(f"{name} is {getattr(config, name)}, expected a number above 0: give another one")
