"""Times steps and changes of style on a random Flux of hidden size 1024. Both sides alternate in one run."""

import itertools
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import comfy.sample
import torch
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrappersMP
from torch import Tensor

import nodes

from .random_model import ModelSize, random_conditioning, random_flux, random_noise

SIZE = ModelSize()
STEPS = 4
"""Sampling steps of a timed run."""
CHANGES = 5
"""Changes of style per pair of steps; they are fast, so more can be measured."""


Clock = Callable[[], float]
"""Gives a time in seconds."""


class FirstStep(Exception):
    """Raised when the sampler calls the model for the first time."""


def measure(expert_path: str, loras: Sequence[str], pairs: int) -> dict:
    """Seconds of the pack and of bare ComfyUI for each pair, and the bytes read for one style."""
    pack = loaded_pack(expert_path)
    base, bare, lora = random_flux(SIZE), random_flux(SIZE), nodes.LoraLoaderModelOnly()
    seeds, names = itertools.count(), iter(loras * (CHANGES * pairs + 1))

    def styled() -> ModelPatcher:
        return pack.apply(base, next(seeds))

    def with_lora() -> ModelPatcher:
        return lora.load_lora_model_only(base, next(names), 1.0)[0]

    def bare_step() -> float:
        _reallocate(bare)
        return step_seconds(bare)

    whole_image = styled()
    read = pack.expert.bytes_read
    return {
        "step": alternating(lambda: step_seconds(whole_image), bare_step, pairs),
        "change": alternating(lambda: change_seconds(styled), lambda: change_seconds(with_lora), CHANGES * pairs),
        "bytes_read": read,
        "bytes_of_file": os.path.getsize(expert_path),
    }


def step_seconds(model: ModelPatcher) -> float:
    """Shortest pass through the transformer in a sampling run; longer passes were disturbed by other programs."""
    seconds = []

    def timed(executor, *args, **kwargs) -> Tensor:
        began = time.perf_counter()
        output = executor(*args, **kwargs)
        seconds.append(time.perf_counter() - began)
        return output

    _sample(model, timed, STEPS)
    return min(seconds)


def change_seconds(make: Callable[[], ModelPatcher], clock: Clock = time.perf_counter) -> float:
    """Seconds from the change of style (or LoRA) until the sampler calls the model for its first step."""

    def stop(executor, *args, **kwargs):
        raise FirstStep

    began = clock()
    try:
        _sample(make(), stop)
    except FirstStep:
        return clock() - began
    raise RuntimeError("the sampler never called the model")


def _reallocate(model: ModelPatcher) -> None:
    """Move the weights to new memory, as patching does. The address alone changes a step's time by several percent."""
    for weight in model.model.diffusion_model.parameters():
        weight.data = weight.data.clone()


class LoadedPack(NamedTuple):
    """Parts of the loaded pack: its MoE Apply, an opened expert file, and a function that makes random styles."""

    moe_apply: type
    expert: Any
    style: Callable[[int], Any]

    def apply(self, model: ModelPatcher, seed: int, **placement: Any) -> ModelPatcher:
        """The model with a random style; `placement` holds optional inputs of MoE Apply."""
        return self.moe_apply.execute(model, self.expert, 1.0, self.style(seed), **placement).args[0]


def loaded_pack(expert_path: str) -> LoadedPack:
    """The parts of the pack that this ComfyUI has loaded."""
    moe_apply = nodes.NODE_CLASS_MAPPINGS["StyleRoute_MoEApply"]
    module = sys.modules[moe_apply.__module__]
    expert = module.StyleExpert.open(expert_path)

    def style(seed: int) -> Any:
        embedding = torch.randn(1, expert.config.cond_dim, generator=torch.Generator().manual_seed(seed))
        return module.Style(embedding, num_references=1, encoder_id="")

    return LoadedPack(moe_apply, expert, style)


def alternating(ours: Callable[[], float], theirs: Callable[[], float], pairs: int) -> list[tuple[float, float]]:
    """(ours, theirs) for each pair, after a warm-up of both; the order alternates from pair to pair."""
    ours(), theirs()
    measured = []
    for pair in range(pairs):
        if pair % 2:
            second = theirs()
            measured.append((ours(), second))
        else:
            measured.append((ours(), theirs()))
    return measured


def _sample(model: ModelPatcher, wrapper: Callable, steps: int = 1) -> None:
    """Run Euler steps with one reference, as KSampler does; `wrapper` wraps the transformer."""
    model = model.clone()
    model.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, "benchmark", wrapper)
    noise, conditioning = random_noise(SIZE), random_conditioning(SIZE)
    with torch.inference_mode():
        comfy.sample.sample(
            model,
            noise,
            steps,
            1.0,
            "euler",
            "simple",
            conditioning,
            conditioning,
            torch.zeros_like(noise),
            disable_pbar=True,
        )
