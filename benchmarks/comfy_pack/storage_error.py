"""Error of a style that is merged into stored weights (patch), and of a style added at run time (branch)."""

import statistics
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import cache
from typing import NamedTuple

import comfy.sample
import torch
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrappersMP
from torch import Tensor, nn

from .loaded_pack import LoadedPack, loaded_pack
from .random_model import ModelSize, random_conditioning, random_flux, random_noise
from .stored_models import FORMS, State, stored

SIZE = ModelSize(hidden=3072, double=1, single=1, cells=8, context=4096, vector=768)
"""True widths of FLUX.1, so that ComfyUI's loader recognises the file; one block of each kind."""
METHODS = ("patch", "branch")
Hooks = Callable[[nn.Module], AbstractContextManager[None]]
"""Changes the network for one call."""
Outputs = dict[str, Tensor]
"""Outputs of layers, by module name."""


class Change(NamedTuple):
    """A style's change of some rows of a layer's output: up [rows, R] and down [R, in], with its strength inside."""

    rows: slice
    up: Tensor
    down: Tensor


def storage_errors(form: str, loras: list[str]) -> list[dict[str, dict[str, float]]]:
    """For each style: the relative errors of both methods, in a layer's output (median) and in the model's output.

    The reference adds the style in float32 to the outputs of the layers, on the same stored weights. So the errors are
    those of adding the style, without the errors of the stored base model.

    Args:
        form: a key of `stored_models.FORMS`.
        loras: plain LoRA files that stand for the styles.
    """
    model = stored(FORMS[form], _random_state(), "stored")
    return [errors_of(model, loaded_pack(lora)) for lora in loras]


def errors_of(model: ModelPatcher, pack: LoadedPack) -> dict[str, dict[str, float]]:
    """The errors of one style, by method and place (layer or model)."""
    changes = _changes(model, pack)
    inputs: Outputs = {}
    plain: Outputs = {}
    base = _denoised(model, lambda network: _recording(network, changes, inputs, plain))
    styled = _denoised(model, lambda network: _adding(network, changes))
    found = {}
    for method in METHODS:
        clone = pack.moe_apply.execute(model, pack.expert, 1.0, None, method=method).args[0]
        outputs: Outputs = {}
        _denoised(clone, lambda network, outputs=outputs: _replaying(network, inputs, outputs))
        layers = [
            _relative(outputs[name], plain[name] + _added(inputs[name], plain[name], changes[name]), plain[name])
            for name in changes
        ]
        found[method] = {
            "layer": statistics.median(layers),
            "model": _relative(_denoised(clone), styled, base),
        }
    return found


def _relative(found: Tensor, expected: Tensor, base: Tensor) -> float:
    """The error of `found`, relative to the change from `base` to `expected`."""
    return float((found.float() - expected.float()).norm() / (expected.float() - base.float()).norm())


def _changes(model: ModelPatcher, pack: LoadedPack) -> dict[str, list[Change]]:
    """The style's changes by module name."""
    module = sys.modules[pack.moe_apply.__module__]
    changes: dict[str, list[Change]] = defaultdict(list)
    pairs = pack.expert.collapse(None)
    for layer, key in module.patch_keys(model, pack.expert).items():
        name, rows = (key, slice(None)) if isinstance(key, str) else (key[0], slice(key[1][1], sum(key[1][1:])))
        changes[name.removeprefix("diffusion_model.").removesuffix(".weight")].append(
            Change(rows, pairs[layer].up.float(), pairs[layer].down.float())
        )
    return changes


def _added(hidden: Tensor, output: Tensor, changes: list[Change]) -> Tensor:
    """The change of an output, in float32."""
    added = torch.zeros(output.shape)
    for rows, up, down in changes:
        added[..., rows] = hidden.float() @ down.T @ up.T
    return added


def _denoised(model: ModelPatcher, hooks: Hooks | None = None) -> Tensor:
    """The model's estimate of the image after one step of Euler."""

    def around_network(executor, *args, **kwargs) -> Tensor:
        with hooks(executor.class_obj):
            return executor(*args, **kwargs)

    clone = model.clone()
    if hooks is not None:
        clone.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, "benchmark", around_network)
    noise, positive = random_noise(SIZE), random_conditioning(SIZE, references=0)
    with torch.inference_mode():
        return comfy.sample.sample(
            clone, noise, 1, 1.0, "euler", "simple", positive, positive, torch.zeros_like(noise), disable_pbar=True
        )


@contextmanager
def _recording(
    network: nn.Module, changes: Mapping[str, list[Change]], inputs: Outputs, outputs: Outputs
) -> Iterator[None]:
    """Records the inputs and outputs of the changed layers."""
    with ExitStack() as stack:
        for name in changes:

            def record(module, args, output, name=name) -> None:
                inputs[name], outputs[name] = args[0].clone(), output.clone()

            stack.callback(network.get_submodule(name).register_forward_hook(record).remove)
        yield


@contextmanager
def _replaying(network: nn.Module, inputs: Outputs, outputs: Outputs) -> Iterator[None]:
    """Gives each layer its recorded input, so that errors of earlier layers do not count, and records the outputs.

    Hooks of a run-time branch act before these hooks, because the branch is installed around the call.
    """
    with ExitStack() as stack:
        for name, hidden in inputs.items():

            def replace(module, args, hidden=hidden) -> tuple[Tensor]:
                return (hidden.clone(),)

            def record(module, args, output, name=name) -> None:
                outputs[name] = output.clone()

            layer = network.get_submodule(name)
            stack.callback(layer.register_forward_pre_hook(replace).remove)
            stack.callback(layer.register_forward_hook(record).remove)
        yield


@contextmanager
def _adding(network: nn.Module, changes: Mapping[str, list[Change]]) -> Iterator[None]:
    """Adds the style to the output of each layer, in float32."""
    with ExitStack() as stack:
        for name, layer_changes in changes.items():

            def add(module, args, output, layer_changes=layer_changes) -> Tensor:
                return output + _added(args[0], output, layer_changes).to(output.dtype)

            stack.callback(network.get_submodule(name).register_forward_hook(add).remove)
        yield


@cache
def _random_state() -> State:
    network = random_flux(SIZE).model.diffusion_model
    return {key: weight.detach() for key, weight in network.state_dict().items()}
