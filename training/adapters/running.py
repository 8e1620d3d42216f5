"""Setup for one or several processes with accelerate, and which process fills the caches."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
from accelerate import Accelerator, InitProcessGroupKwargs
from accelerate.utils import release_memory

from ...progress import console
from ..precision import has_bf16_kernels

PATIENCE = timedelta(days=7)
"""Time that processes wait for the first process to encode all images; torch's default is 10 to 30 minutes."""


ONE_PROCESS = (
    "`accelerate launch --cpu` always starts one process for any --num_processes. For several processes on the "
    "CPU, give `accelerate launch --multi_gpu --num_processes N` instead."
)


EMULATED = (
    "This CPU has no instructions for bfloat16, so --precision bf16 is many times slower than float32. "
    "Give --precision no, and a new --run."
)


def start_accelerator(precision: str) -> Accelerator:
    """The accelerator of this process. Under `accelerate launch`, only the first process prints afterwards."""
    launched_for_cpu = os.environ.get("ACCELERATE_USE_CPU", "").lower() in ("1", "true")
    accelerator = Accelerator(
        mixed_precision=precision,
        # Without this, each of several processes on a machine without a GPU believes that it is the only one.
        cpu=not torch.accelerator.is_available(),
        kwargs_handlers=[InitProcessGroupKwargs(timeout=PATIENCE)],
    )
    console.quiet = not accelerator.is_main_process
    if launched_for_cpu and accelerator.num_processes == 1:
        console.print(ONE_PROCESS, soft_wrap=True)
    if precision == "bf16" and accelerator.device.type == "cpu" and not has_bf16_kernels():
        console.print(EMULATED, soft_wrap=True)
    return accelerator


def free_device(accelerator: Accelerator) -> None:
    """Free a finished training's models. A device may not have room for the next transformer beside the last one."""
    accelerator.free_memory()
    # `free_memory` drops its references only after it has collected the garbage, in which models refer to themselves.
    release_memory()


def base_dtype(precision: str) -> torch.dtype:
    """The dtype of the base model's frozen weights."""
    return torch.float32 if precision == "no" else torch.bfloat16


@contextmanager
def one_fills_the_caches(accelerator: Accelerator) -> Iterator[None]:
    """Run the block in the first process, then in the others, which find the caches filled.

    The first process of each other machine also runs before the rest, because each machine may have its own disk.
    """
    with accelerator.main_process_first(), accelerator.local_main_process_first():
        yield
