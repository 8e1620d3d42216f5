"""bfloat16 on the CPU: many times slower than float32 on CPUs without kernels for it."""

from contextlib import AbstractContextManager, nullcontext

import torch


def has_bf16_kernels() -> bool:
    """Whether this CPU multiplies bfloat16 matrices with its own instructions (AVX-512 with BF16, AMX, or Arm's)."""
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def cpu_autocast(bf16: bool | None = None) -> AbstractContextManager:
    """A context in which models on the CPU compute in bfloat16, or in float32.

    Args:
        bf16: True for bfloat16, False for float32; None: what is faster on this CPU.
    """
    return torch.autocast("cpu", torch.bfloat16) if (has_bf16_kernels() if bf16 is None else bf16) else nullcontext()
