"""Writes low-rank pairs as a plain LoRA in diffusers' layout, which every LoRA loader reads."""

from collections.abc import Mapping

import torch
from torch import Tensor

from ..errors import StyleExpertError
from .collapse import LowRank

PREFIX = "transformer."
"""Prefix of every key, as in the published files."""


def lora_state(pairs: Mapping[str, LowRank], dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
    """The state dict of a PEFT LoRA for diffusers' Flux: lora_A [R, in] and lora_B [out, R].

    The pairs already contain the scale: without an alpha, a loader applies the LoRA at scale 1.

    Args:
        pairs: low-rank pairs by diffusers layer name.
        dtype: precision of the tensors.

    Raises:
        StyleExpertError: a number is too large for ``dtype``.
    """
    state = {}
    for layer, pair in pairs.items():
        state[f"{PREFIX}{layer}.lora_A.weight"] = pair.down.detach().to(dtype).contiguous()
        state[f"{PREFIX}{layer}.lora_B.weight"] = pair.up.detach().to(dtype).contiguous()
    for key, weight in state.items():
        if not weight.isfinite().all():
            raise StyleExpertError(f"{key} holds numbers that are too large for {dtype}. Choose 'float32' instead.")
    return state
