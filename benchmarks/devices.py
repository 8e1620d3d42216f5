"""Devices of the cost model: graphics cards by their data sheets, and this machine by a short measurement."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import median

import torch
from torch.nn import functional

from .cost_model import Kernel

MATMUL_SHARE, ATTENTION_SHARE, BANDWIDTH_SHARE = 0.6, 0.4, 0.8
"""Assumed shares of the data sheet's figures that real kernels reach."""
LAUNCH_SECONDS = 4e-6
"""Assumed shortest time of a kernel on a graphics card, in seconds."""
USABLE_MEMORY = 0.9
"""Assumed share of the memory that ComfyUI can fill."""
REPEATS = 5
"""Calls for each rate of this machine."""


@dataclass(frozen=True)
class Device:
    """A device.

    Attributes:
        name: its name in tables.
        memory: memory in bytes; 0 if all weights always fit.
        matmul: operations per second of matrix products in 16 bits (of a CPU: in float32).
        attention: the same for attention.
        bandwidth: bytes per second of the memory.
        bus: bytes per second between the system's memory and the device.
        launch: shortest time of a kernel in seconds.
    """

    name: str
    memory: float
    matmul: float
    attention: float
    bandwidth: float
    bus: float = 0.0
    launch: float = 0.0

    def seconds(self, kernels: Iterable[Kernel]) -> float:
        """Seconds for all kernels."""
        return sum(self._seconds(kernel) * kernel.count for kernel in kernels)

    def _seconds(self, kernel: Kernel) -> float:
        rate = self.attention if kernel.kind == "attention" else self.matmul
        return max(kernel.operations / rate, kernel.moved / self.bandwidth, self.launch)


def _card(name: str, gigabytes: float, teraflops: float, gigabytes_per_second: float, bus: float) -> Device:
    return Device(
        name,
        gigabytes * 1e9,
        teraflops * 1e12 * MATMUL_SHARE,
        teraflops * 1e12 * ATTENTION_SHARE,
        gigabytes_per_second * 1e9 * BANDWIDTH_SHARE,
        bus * 1e9 * BANDWIDTH_SHARE,
        LAUNCH_SECONDS,
    )


CARDS = (
    _card("12 GB (RTX 3060)", 12, 51.2 / 2, 360, 32),
    _card("24 GB (RTX 4090)", 24, 165.2, 1008, 32),
    _card("80 GB (A100 SXM)", 80, 312, 2039, 32),
)
"""Graphics cards by their data sheets: dense 16-bit products that add in float32, memory, and a bus of PCIe 4.0 x16."""


def this_machine(hidden: int = 1024, tokens: int = 544, heads: int = 8, cpu_time: bool = False) -> Device:
    """The CPU of this machine, by products, attention and copies in float32 of about a block's size.

    The shortest time of a kernel is that of a very small product.

    Args:
        hidden: width of a token.
        tokens: number of tokens.
        heads: number of attention heads.
        cpu_time: count the time of this process on the CPU, as the measured steps may do.
    """
    clock = time.process_time if cpu_time else time.perf_counter
    with torch.no_grad():
        tokens_in, weight = torch.randn(tokens, hidden), torch.randn(4 * hidden, hidden)
        q = torch.randn(1, heads, 2 * tokens, 128)
        big = torch.randn(2**24)
        matmul = _rate(clock, lambda: functional.linear(tokens_in, weight), 2 * tokens * hidden * 4 * hidden)
        work = 4 * (2 * tokens) ** 2 * heads * 128
        attention = _rate(clock, lambda: functional.scaled_dot_product_attention(q, q, q), work)
        bandwidth = _rate(clock, lambda: big.clone(), 2 * big.nbytes)
        small = torch.randn(8, 8)
        launch = 1 / _rate(clock, lambda: functional.linear(small, small), 1)
    return Device("this machine", 0, matmul, attention, bandwidth, launch=launch)


def _rate(clock: Callable[[], float], call: Callable[[], object], work: float) -> float:
    """Work per second: of the median call, because other programs disturb single ones."""

    def seconds() -> float:
        began = clock()
        call()
        return clock() - began

    seconds()
    return work / median(seconds() for _ in range(REPEATS))
