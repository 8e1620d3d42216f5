"""Adds low-rank weights to ComfyUI's Flux through `ModelPatcher.add_patches`."""

from collections.abc import Mapping
from typing import cast

import torch
from comfy.ldm.flux.model import Flux
from comfy.model_management import cast_to_device
from comfy.model_patcher import ModelPatcher
from comfy.weight_adapter import LoRAAdapter
from torch import nn

from ..flux.base_models import other_family
from ..flux.layer_names import ComfyTarget, comfy_target, in_comfy_order
from ..moe import LowRank, StyleExpert, StyleExpertError
from ..plain_text import short
from .model_family import require_flux

MAX_NAMES = 4
"""Upper limit for the left out layers' names in a message."""
MAX_STRAY = 1
"""Layers beyond the model's last block up to which they count as unexpected names, and not as a deeper model."""
PatchKey = str | tuple[str, tuple[int, int, int]]
"""A key for `ModelPatcher.add_patches`: a state dict key, or (key, (dimension, start, length)) for a slice of it."""


def patch_keys(model: ModelPatcher, expert: StyleExpert) -> dict[str, PatchKey]:
    """The patch key in `model` of each layer of `expert` that the model has; layers have diffusers names.

    `left_out` lists the other layers.

    Raises:
        StyleExpertError: the model is not FLUX.1, the experts are for another family, the model has fewer blocks than
            the experts, or a layer has another size.
    """
    flux = require_flux(model)
    _require_base(expert)
    targets = {layer: comfy_target(layer, flux.hidden_size, flux.params.mlp_ratio) for layer in expert.layers}
    absent = [layer for layer, target in targets.items() if _linear(flux, target) is None]
    problems = _deeper_model(flux, absent, len(targets)) + [
        problem
        for layer, target in targets.items()
        if (problem := _misfit(flux, layer, target, expert.layer_shapes[layer]))
    ]
    if problems:
        more = f" (and {len(problems) - 1} more layers)" if len(problems) > 1 else ""
        raise StyleExpertError(
            f"{expert.path.name} does not fit this model: {problems[0]}{more}. "
            f"Load the base model of these experts ({expert.config.base}), or choose experts for the loaded model."
        )
    return {layer: _patch_key(target) for layer, target in targets.items() if layer not in absent}


def left_out(expert: StyleExpert, keys: Mapping[str, PatchKey]) -> str | None:
    """A sentence that lists the layers of `expert` that the model does not have; None if it has all of them.

    Args:
        expert: the experts.
        keys: their patch keys, from `patch_keys`.
    """
    absent = [*expert.skipped_layers, *(layer for layer in expert.layers if layer not in keys)]
    if not absent:
        return None
    more = f" and {len(absent) - MAX_NAMES} more" if len(absent) > MAX_NAMES else ""
    number = "1 layer" if len(absent) == 1 else f"{len(absent)} layers"
    shown = ", ".join(short(layer) for layer in absent[:MAX_NAMES])
    return f"{expert.path.name} changes {number} that this model does not have; left out: {shown}{more}."


def patched(
    model: ModelPatcher, keys: Mapping[str, PatchKey], deltas: Mapping[str, LowRank], strength: float
) -> ModelPatcher:
    """A clone of `model` with `strength * up @ down` added to each layer that has a key.

    ComfyUI multiplies the pairs when it loads the model.

    Raises:
        StyleExpertError: ComfyUI did not accept all patches.
    """
    patches = {
        keys[layer]: _adapter(keys[layer], LowRank(in_comfy_order(layer, delta.up), delta.down))
        for layer, delta in deltas.items()
        if layer in keys
    }
    clone = model.clone()
    # ComfyUI skips unknown keys silently; `add_patches` returns the keys that it accepted.
    refused = patches.keys() - set(clone.add_patches(patches, strength_patch=strength))
    if refused:
        raise StyleExpertError(
            f"ComfyUI did not patch {len(refused)} of {len(patches)} weights, for instance {min(map(str, refused))}. "
            "Another node has replaced layers of this model: apply the style before that node."
        )
    return clone


def _require_base(expert: StyleExpert) -> None:
    if family := other_family(expert.config.base):
        raise StyleExpertError(
            f"{expert.path.name} was trained for {short(expert.config.base)} ({family}), but the loaded model is "
            "FLUX.1. Choose experts for FLUX.1 Kontext."
        )


def _deeper_model(flux: Flux, absent: list[str], count: int) -> list[str]:
    """A problem for each absent layer of blocks beyond the model's last one: the experts are for a deeper model.

    One such layer among others is only an unexpected name.

    Args:
        flux: the model's network.
        absent: layers of the experts that the model does not have.
        count: number of all layers of the experts.
    """
    beyond = [layer for layer in absent if "blocks." in layer]
    if len(beyond) <= MAX_STRAY and len(absent) < count:
        return []
    blocks = f"{len(flux.double_blocks)} double and {len(flux.single_blocks)} single blocks"
    return [f"it changes {layer}, which this model of {blocks} does not have" for layer in beyond or absent]


def _misfit(flux: Flux, layer: str, target: ComfyTarget, shape: tuple[int, int]) -> str | None:
    """Why a weight of `shape` [out, in] does not fit `layer` in this model; None if it fits or the layer is absent."""
    linear = _linear(flux, target)
    if linear is None:
        return None
    out = linear.out_features if target.rows is None else target.rows[1]
    inside = target.rows is None or sum(target.rows) <= linear.out_features
    if inside and (out, linear.in_features) == tuple(shape):
        return None
    return f"{layer} is {shape[0]} x {shape[1]} in the file and {out} x {linear.in_features} in the model"


def _linear(flux: Flux, target: ComfyTarget) -> nn.Linear | None:
    """The linear layer that holds a target; None if the model has none of this name."""
    try:
        linear = flux.get_submodule(target.key)
    except AttributeError:
        return None
    return cast(nn.Linear, linear) if hasattr(linear, "in_features") else None


def _patch_key(target: ComfyTarget) -> PatchKey:
    key = f"diffusion_model.{target.key}.weight"
    return key if target.rows is None else (key, (0, *target.rows))


class LowRankAdapter(LoRAAdapter):
    """A stock LoRA without alpha, middle, DoRA or reshape. It reads the weight once; the stock one, four times."""

    def calculate_weight(self, weight, key, strength, strength_model, offset, function,
                         intermediate_dtype=torch.float32, original_weight=None):  # fmt: skip
        """Adds strength * up @ down to `weight` [out, in] in place; for other dtypes, calls the stock method."""
        if weight.dtype != intermediate_dtype:
            return super().calculate_weight(
                weight, key, strength, strength_model, offset, function, intermediate_dtype, original_weight
            )
        up, down = (cast_to_device(matrix, weight.device, intermediate_dtype) for matrix in self.weights[:2])
        return weight.addmm_(up, down, alpha=strength)


def _adapter(key: PatchKey, delta: LowRank) -> LowRankAdapter:
    up, down = (torch.as_tensor(matrix).contiguous() for matrix in (delta.up, delta.down))
    return LowRankAdapter({str(key)}, (up, down, None, None, None, None))
