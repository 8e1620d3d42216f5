"""Times steps and changes of style with styles at run time (the branch), against the same model without them."""

import itertools
import sys
import time
from collections.abc import Sequence
from functools import cache
from types import ModuleType

import comfy.sample
import torch
from comfy.model_patcher import ModelPatcher
from comfy.text_encoders.flux import T5XXLTokenizer

import nodes

from .random_model import ModelSize, random_conditioning, random_flux, random_noise
from .style_timing import CHANGES, Clock, LoadedPack, alternating, change_seconds, loaded_pack

STEPS = 4
"""Steps of a timed run. The first step is not timed: no object is found before it, so no style acts on it."""
PROMPT, OBJECTS = "a guitar and an owl", ("guitar", "owl")


def measure_branch(
    expert_path: str, loras: Sequence[str], size: ModelSize, pairs: int, clock: Clock = time.perf_counter
) -> dict:
    """Seconds of a step of each side, alternating, and seconds of changes of style for each pair (ours, stock)."""
    pack, model = loaded_pack(expert_path), random_flux(size)
    sides = _sides(pack, model)
    measured: dict[str, list[float]] = {name: [] for name in sides}
    for side in sides.values():
        step_seconds(side, size, clock)
    for pair in range(pairs):
        for name in sorted(sides, reverse=bool(pair % 2)):
            measured[name].append(step_seconds(sides[name], size, clock))
    return {"seconds": measured, "change": _changes(pack, model, loras, CHANGES * pairs, clock)}


def step_seconds(model: ModelPatcher, size: ModelSize, clock: Clock = time.perf_counter) -> float:
    """Seconds of the fastest whole step of a sampling run; other steps were disturbed by other programs."""
    ends: list[float] = []

    def callback(step, denoised, x, total) -> None:
        ends.append(clock())

    noise, positive = random_noise(size), _conditioning(size)
    with torch.inference_mode():
        comfy.sample.sample(
            model, noise, STEPS, 1.0, "euler", "simple", positive, positive, torch.zeros_like(noise),
            callback=callback, disable_pbar=True,
        )  # fmt: skip
    return min(after - before for before, after in itertools.pairwise(ends))


def _sides(pack: LoadedPack, model: ModelPatcher) -> dict[str, ModelPatcher]:
    """The model without a style, and with styles at run time."""
    left = torch.zeros(1, 64, 64)
    left[..., :32] = 1
    two_masks = pack.apply(pack.apply(model, 0, mask=left), 1, mask=1 - left)
    two_objects = pack.apply(pack.apply(model, 0, object=OBJECTS[0]), 1, object=OBJECTS[1])
    whole = pack.apply(model, 0, method="branch")
    return {"bare": model, "whole image": whole, "two masks": two_masks, "two objects": two_objects}


def _changes(
    pack: LoadedPack, model: ModelPatcher, loras: Sequence[str], count: int, clock: Clock
) -> list[tuple[float, float]]:
    """Seconds until the first step after a change of style, and after a change of LoRA in the stock loader."""
    seeds, names, loader = itertools.count(), itertools.cycle(loras), nodes.LoraLoaderModelOnly()
    return alternating(
        lambda: change_seconds(lambda: pack.apply(model, next(seeds), method="branch"), clock),
        lambda: change_seconds(lambda: loader.load_lora_model_only(model, next(names), 1.0)[0], clock),
        count,
    )


def _conditioning(size: ModelSize) -> list:
    """Random text that knows its words, as Region Style Prompt gives it, with one reference."""
    prompt_text = _prompt_text()
    prompt = prompt_text.PromptText(PROMPT, _tokenizer())
    return prompt_text.with_prompt_text(random_conditioning(size), prompt)


@cache
def _tokenizer() -> T5XXLTokenizer:
    return T5XXLTokenizer()


def _prompt_text() -> ModuleType:
    """The loaded pack's module of prompt texts."""
    region_prompt = nodes.NODE_CLASS_MAPPINGS["StyleRoute_RegionPrompt"]
    return sys.modules[sys.modules[region_prompt.__module__].with_prompt_text.__module__]
