"""Low-rank changes to ComfyUI's Flux: everything that touches the inside of a MODEL is in this file."""

from collections.abc import Mapping

import torch
from comfy.ldm.flux.model import Flux
from comfy.model_management import cast_to_device
from comfy.model_patcher import ModelPatcher
from comfy.weight_adapter import LoRAAdapter

from ..flux.layer_names import ComfyTarget, comfy_target
from ..moe import LowRank, StyleExpert, StyleExpertError

PatchKey = str | tuple[str, tuple[int, int, int]]
"""As `ModelPatcher.add_patches` takes it: a state dict key, or (key, (dimension, start, length)) for a slice of one."""


def patch_keys(model: ModelPatcher, expert: StyleExpert) -> dict[str, PatchKey]:
    """Where each layer of `expert` lies in `model`; layers are diffusers names.

    Raises:
        StyleExpertError: the model is not Flux, or has not those layers in those sizes.
    """
    flux = require_flux(model)
    targets = {layer: comfy_target(layer, flux.hidden_size, flux.params.mlp_ratio) for layer in expert.layers}
    problems = [
        problem
        for layer, target in targets.items()
        if (problem := _misfit(flux, layer, target, expert.layer_shapes[layer]))
    ]
    if problems:
        more = f" (and {len(problems) - 1} layers more)" if len(problems) > 1 else ""
        raise StyleExpertError(
            f"{expert.path.name} does not fit this model: {problems[0]}{more}; "
            f"load the model that the experts were trained on ({expert.config.base}), or choose experts for this one."
        )
    return {layer: _patch_key(target) for layer, target in targets.items()}


def patched(
    model: ModelPatcher, keys: Mapping[str, PatchKey], deltas: Mapping[str, LowRank], strength: float
) -> ModelPatcher:
    """A clone of `model` with `strength * up @ down` added to each layer; the pairs stay low-rank until used.

    Raises:
        StyleExpertError: ComfyUI did not take all of them.
    """
    patches = {keys[layer]: _adapter(keys[layer], delta) for layer, delta in deltas.items()}
    clone = model.clone()
    # Unknown keys are skipped silently: only the returned list tells.
    refused = patches.keys() - set(clone.add_patches(patches, strength_patch=strength))
    if refused:
        raise StyleExpertError(
            f"ComfyUI did not take the style into {len(refused)} of {len(patches)} weights, {min(map(str, refused))} "
            "for one; another node has replaced this model's layers: apply the style before that node."
        )
    return clone


def require_flux(model: ModelPatcher) -> Flux:
    """The network of a MODEL.

    Raises:
        StyleExpertError: it is not Flux.
    """
    network = getattr(model.model, "diffusion_model", None)
    if isinstance(network, Flux):
        return network
    family = type(getattr(model.model, "model_config", model.model)).__name__
    raise StyleExpertError(
        f"The model is {family} ({type(network).__name__}), but StyleRoute's nodes work with FLUX.1 Kontext only; "
        "load a Flux Kontext model with Load Diffusion Model."
    )


def _misfit(flux: Flux, layer: str, target: ComfyTarget, shape: tuple[int, int]) -> str | None:
    """What is wrong with `layer`, [out, in] = `shape`, in this model; None if nothing."""
    try:
        linear = flux.get_submodule(target.key)
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
    """A stock LoRA without alpha, middle, DoRA or reshape, added in place: one pass over the weight, not four."""

    def calculate_weight(self, weight, key, strength, strength_model, offset, function,
                         intermediate_dtype=torch.float32, original_weight=None):  # fmt: skip
        """`weight` [out, in] += strength * up @ down, in `intermediate_dtype`; stock does so where dtypes differ."""
        if weight.dtype != intermediate_dtype:
            return super().calculate_weight(
                weight, key, strength, strength_model, offset, function, intermediate_dtype, original_weight
            )
        up, down = (cast_to_device(matrix, weight.device, intermediate_dtype) for matrix in self.weights[:2])
        return weight.addmm_(up, down, alpha=strength)


def _adapter(key: PatchKey, delta: LowRank) -> LowRankAdapter:
    up, down = (torch.as_tensor(matrix).contiguous() for matrix in (delta.up, delta.down))
    return LowRankAdapter({str(key)}, (up, down, None, None, None, None))
