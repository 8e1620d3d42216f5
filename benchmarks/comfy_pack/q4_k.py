"""Quantises weights to Q4_K, a 4-bit format of GGUF files. The `gguf` package reads this format but does not write it.

A block of 256 numbers has 8 groups of 32. A group's number is ``d * scale * q - dmin * minimum``, with q of 4 bits,
a scale and a minimum of 6 bits for each group, and d and dmin in float16 for the block.
"""

import torch
from torch import Tensor

BLOCK, GROUPS = 256, 8
LEVELS, SCALES = 15, 63
"""Largest 4-bit and 6-bit numbers."""


def quantize_q4_k(weight: Tensor) -> Tensor:
    """The bytes [out, in / 256 * 144] of a weight [out, in]; `in` must be a multiple of 256."""
    values = weight.float().reshape(-1, GROUPS, BLOCK // GROUPS)  # [blocks, 8, 32]
    lowest = values.amin(-1).clamp_max(0)
    steps, minima = (values.amax(-1) - lowest) / LEVELS, -lowest
    d, scales = _six_bits(steps)
    dmin, minimum_scales = _six_bits(minima)
    offset, step = (dmin.float() * minimum_scales)[..., None], (d.float() * scales)[..., None]
    q = ((values + offset) / step.clamp_min(1e-12)).round().clamp(0, LEVELS).to(torch.uint8)
    packed = [d.view(torch.uint8), dmin.view(torch.uint8), _packed_scales(scales, minimum_scales), _packed_levels(q)]
    return torch.cat(packed, dim=1).reshape(weight.shape[0], -1)


def _six_bits(values: Tensor) -> tuple[Tensor, Tensor]:
    """A factor [blocks, 1] in float16 and 6-bit numbers [blocks, 8], whose products are near `values`."""
    factor = (values.amax(-1, keepdim=True) / SCALES).half()
    numbers = (values / factor.float().clamp_min(1e-12)).round().clamp(0, SCALES)
    return factor, numbers.to(torch.uint8)


def _packed_scales(scales: Tensor, minima: Tensor) -> Tensor:
    """Twelve bytes [blocks, 12] for the 6-bit scales and minima of the 8 groups.

    The upper two bits of the last four scales and minima stand above the first four scales and minima.
    """
    first = scales[:, :4] | (scales[:, 4:] >> 4) << 6
    second = minima[:, :4] | (minima[:, 4:] >> 4) << 6
    third = scales[:, 4:] & 15 | (minima[:, 4:] & 15) << 4
    return torch.cat([first, second, third], dim=1)


def _packed_levels(q: Tensor) -> Tensor:
    """Two 4-bit numbers in each byte, [blocks, 128]: the groups 0 and 1, then 2 and 3, and so on."""
    pairs = q.view(-1, GROUPS // 2, 2, BLOCK // GROUPS)
    return (pairs[:, :, 0] | pairs[:, :, 1] << 4).flatten(1)
