"""Writes low-rank pairs as a plain LoRA in diffusers' layout, which every LoRA loader reads."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from ..errors import StyleExpertError
from .collapse import LowRank
from .formats import ALPHA, sort_keys

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


def loadable_lora(tensors: Mapping[str, Tensor], scale: float) -> dict[str, Tensor]:
    """The tensors of a LoRA with the keys that diffusers and ComfyUI read: `transformer.<layer>.<part>`.

    Loaders apply a LoRA without `alpha` at scale 1. At any other scale each layer gets its `alpha`, scale * r.

    Args:
        tensors: lora_A and lora_B, and perhaps alpha, of each layer, with any of the prefixes that `formats.py` knows.
        scale: factor of B @ A in the layers without an alpha.
    """
    state = {}
    for layer, parts in sort_keys(tensors).layers.items():
        state |= {f"{PREFIX}{layer}.{part}": tensors[key] for part, key in parts.items()}
        if ALPHA not in parts and not math.isclose(scale, 1.0):
            rank = tensors[parts["lora_A.weight"]].shape[0]
            state[f"{PREFIX}{layer}.{ALPHA}"] = torch.tensor(scale * rank)
    return state


def alpha_tensors(scales: Mapping[str, float], ranks: Mapping[str, int]) -> dict[str, Tensor]:
    """The tensor `alpha` of each layer, scale * r, for `loadable_lora`; none if every scale is 1."""
    if all(math.isclose(scale, 1.0) for scale in scales.values()):
        return {}
    return {f"{layer}.{ALPHA}": torch.tensor(scale * ranks[layer]) for layer, scale in scales.items()}
