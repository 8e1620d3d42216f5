"""One process or several: accelerate, and who of them fills the caches."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
from accelerate import Accelerator, InitProcessGroupKwargs

from ...progress import console

PATIENCE = timedelta(days=7)
"""How long processes wait for the first one, which encodes all images; torch's own 10 to 30 minutes are too few."""


def start_accelerator(precision: str) -> Accelerator:
    """Under `accelerate launch` every process calls this; only the first one's console is heard afterwards."""
    accelerator = Accelerator(
        mixed_precision=precision,
        # Unless it is told, accelerate takes each of several processes without a GPU for the only one.
        cpu=not torch.accelerator.is_available(),
        kwargs_handlers=[InitProcessGroupKwargs(timeout=PATIENCE)],
    )
    console.quiet = not accelerator.is_main_process
    return accelerator


def base_dtype(precision: str) -> torch.dtype:
    """Of the frozen weights."""
    return torch.float32 if precision == "no" else torch.bfloat16


@contextmanager
def one_fills_the_caches(accelerator: Accelerator) -> Iterator[None]:
    """The first process goes first, then the first of each other machine, whose disk may be its own; the rest read."""
    with accelerator.main_process_first(), accelerator.local_main_process_first():
        yield
