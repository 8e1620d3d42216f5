"""Adds low-rank weights to ComfyUI's Flux through `ModelPatcher.add_patches`."""

from collections.abc import Mapping
from typing import cast

import torch
from comfy.ldm.flux.model import Flux
from comfy.model_management import cast_to_device
from comfy.model_patcher import ModelPatcher
from comfy.weight_adapter import LoRAAdapter
from torch import nn

from ..flux.layer_names import ComfyTarget, comfy_target
from ..moe import LowRank, StyleExpert, StyleExpertError
from .compilation import without_compilation

PatchKey = str | tuple[str, tuple[int, int, int]]
"""A key for `ModelPatcher.add_patches`: a state dict key, or (key, (dimension, start, length)) for a slice of it."""


def patch_keys(model: ModelPatcher, expert: StyleExpert) -> dict[str, PatchKey]:
    """The patch key in `model` of each layer of `expert`; layers have diffusers names.

    Raises:
        StyleExpertError: the model is not Flux, or lacks a layer, or has a layer of another size.
    """
    flux = require_flux(model)
    targets = {layer: comfy_target(layer, flux.hidden_size, flux.params.mlp_ratio) for layer in expert.layers}
    problems = [
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
    return {layer: _patch_key(target) for layer, target in targets.items()}


def patched(
    model: ModelPatcher, keys: Mapping[str, PatchKey], deltas: Mapping[str, LowRank], strength: float
) -> ModelPatcher:
    """A clone of `model` with `strength * up @ down` added to each layer. ComfyUI multiplies the pairs when it loads.

    Raises:
        StyleExpertError: ComfyUI did not accept all patches.
    """
    patches = {keys[layer]: _adapter(keys[layer], delta) for layer, delta in deltas.items()}
    clone = model.clone()
    # ComfyUI skips unknown keys silently; `add_patches` returns the keys that it accepted.
    refused = patches.keys() - set(clone.add_patches(patches, strength_patch=strength))
    if refused:
        raise StyleExpertError(
            f"ComfyUI did not patch {len(refused)} of {len(patches)} weights, for instance {min(map(str, refused))}. "
            "Another node has replaced layers of this model: apply the style before that node."
        )
    return clone


def require_flux(model: ModelPatcher) -> Flux:
    """The Flux network of a MODEL.

    Raises:
        StyleExpertError: the network is not Flux.
    """
    network = without_compilation(getattr(model.model, "diffusion_model", None))
    if isinstance(network, Flux):
        return network
    family = type(getattr(model.model, "model_config", model.model)).__name__
    raise StyleExpertError(
        f"The model is {family} ({type(network).__name__}), but StyleRoute's nodes work with FLUX.1 Kontext only. "
        "Load a FLUX.1 Kontext model with Load Diffusion Model."
    )


def _misfit(flux: Flux, layer: str, target: ComfyTarget, shape: tuple[int, int]) -> str | None:
    """Why a weight of `shape` [out, in] does not fit `layer` in this model; None if it fits."""
    try:
        linear = cast(nn.Linear, flux.get_submodule(target.key))
    except AttributeError:
        blocks = f"{len(flux.double_blocks)} double and {len(flux.single_blocks)} single blocks"
        return f"it changes {layer}, which this model of {blocks} does not have"
    out = linear.out_features if target.rows is None else target.rows[1]
    inside = target.rows is None or sum(target.rows) <= linear.out_features
    if inside and (out, linear.in_features) == tuple(shape):
        return None
    return f"{layer} is {shape[0]} x {shape[1]} in the file and {out} x {linear.in_features} in the model"


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
