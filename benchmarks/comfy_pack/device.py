"""Time and peak memory on the device of ComfyUI's models."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import comfy.model_management
import torch

Clock = Callable[[], float]
"""Gives a time in seconds."""
RESET_PEAK = "5"
"""Written to Linux's clear_refs, this value resets the process's peak memory."""


def is_gpu() -> bool:
    """Whether ComfyUI computes on a graphics card of torch's "cuda" devices, which include AMD's."""
    return comfy.model_management.get_torch_device().type == "cuda"


def device_name() -> str:
    """Name of the graphics card; empty for a CPU."""
    return torch.cuda.get_device_name() if is_gpu() else ""


def clock(cpu_time: bool = False) -> Clock:
    """A clock that waits for the graphics card.

    Args:
        cpu_time: count the time of this process on the CPU, which other programs disturb less.
    """
    counter = time.process_time if cpu_time else time.perf_counter
    if not is_gpu():
        return counter

    def now() -> float:
        torch.cuda.synchronize()
        return counter()

    return now


def reset_peak() -> None:
    """Begins a new measurement of the peak memory."""
    if is_gpu():
        torch.cuda.reset_peak_memory_stats()
    elif sys.platform == "linux":
        Path("/proc/self/clear_refs").write_text(RESET_PEAK)


def peak() -> int:
    """Peak memory in bytes since `reset_peak`: of the graphics card, or of this process; 0 if nobody reports it."""
    if is_gpu():
        return torch.cuda.max_memory_allocated()
    if sys.platform != "linux":
        return 0
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
