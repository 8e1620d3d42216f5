"""The weights of a run-time branch, held by a ComfyUI patcher, so that ComfyUI counts, loads and offloads them."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

import comfy.model_patcher
import torch
from comfy.model_patcher import ModelPatcher
from comfy.ops import cast_bias_weight, manual_cast, uncast_bias_weight
from torch import Tensor, nn

from ...moe.branch import LayerBranch, PairRows


class BranchLayers(nn.Module):
    """The low-rank changes of one style, by the module of ComfyUI's Flux that each one changes.

    Args:
        pairs: the pairs and their rows, by module name such as "double_blocks.0.img_attn.qkv".
        dtype: dtype of the stored pairs.
    """

    def __init__(self, pairs: Mapping[str, Sequence[PairRows]], dtype: torch.dtype) -> None:
        super().__init__()
        self.keys = tuple(pairs)
        self.layers = nn.ModuleList(LayerBranch(layer, manual_cast.Linear, dtype) for layer in pairs.values())

    def items(self) -> Iterator[tuple[str, LayerBranch]]:
        """Each module's name with its change."""
        return zip(self.keys, self.layers, strict=True)  # pyright: ignore[reportReturnType]


def patcher_of(layers: BranchLayers, model: ModelPatcher) -> ModelPatcher:
    """A patcher that ComfyUI loads together with `model`."""
    # Newer versions of ComfyUI hold weights in a patcher that pages them. ComfyUI chooses it when it starts.
    patcher = getattr(comfy.model_patcher, "CoreModelPatcher", ModelPatcher)
    return patcher(layers, load_device=model.load_device, offload_device=model.offload_device)


def branch_dtype(model: ModelPatcher) -> torch.dtype:
    """The dtype in which a branch is stored: the model's own, or the one it computes in if it stores 8 bits or less."""
    for dtype in (model.model.get_dtype(), model.model.manual_cast_dtype):
        if dtype is not None and dtype.is_floating_point and dtype.itemsize > 1:
            return dtype
    return torch.bfloat16


@contextmanager
def cast_weight(layer: nn.Linear, tensor: Tensor) -> Iterator[Tensor]:
    """The weight of one of ComfyUI's linear layers, on the device and in the dtype of `tensor`, wherever it is kept."""
    # With `offloadable`, newer and older versions return three values.
    weight, bias, stream = cast(tuple[Tensor, Any, Any], cast_bias_weight(layer, tensor, offloadable=True))
    try:
        yield weight
    finally:
        uncast_bias_weight(layer, weight, bias, stream)
