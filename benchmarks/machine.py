"""The machine on which a benchmark runs, in one line."""

import os
import platform
from pathlib import Path

import psutil
import torch


def machine_text() -> str:
    """Processor, cores, threads, memory, graphics card, and versions of torch and Python."""
    parts = [
        _processor(),
        f"{psutil.cpu_count(logical=False) or os.cpu_count()} cores, torch uses {torch.get_num_threads()} threads",
        f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        gpu_text() or "no graphics card that torch can use",
        f"torch {torch.__version__}, Python {platform.python_version()}, {platform.system()}",
    ]
    return "; ".join(parts)


def load_text() -> str:
    """How busy the machine is. Other programs disturb times, and ratios less."""
    busy = psutil.getloadavg()[0]
    return f"{busy:.1f} programs were running on average during the last minute, on {os.cpu_count()} logical cores."


def gpu_text() -> str:
    """Name and memory of the first graphics card; empty without one."""
    if not torch.cuda.is_available():
        return ""
    found = torch.cuda.get_device_properties(0)
    return f"{found.name}, {found.total_memory / 2**30:.0f} GiB"


def _processor() -> str:
    """The processor's name. Python knows it on Windows and macOS only."""
    if (file := Path("/proc/cpuinfo")).is_file():
        names = [line.partition(":")[2].strip() for line in file.read_text().splitlines() if line.startswith("model n")]
        if names:
            return names[0]
    return platform.processor() or platform.machine()
