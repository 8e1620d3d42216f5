"""Times two sides of a benchmark, alternating in one run: sampling steps, or changes of style until the first step."""

import itertools
import math
import time
from collections.abc import Callable

import comfy.model_management
import comfy.sample
import torch
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrappersMP

from . import device
from .device import Clock
from .random_model import random_noise
from .sides import Sides

STEPS = 4
"""Steps of a timed run. The first step is not timed: no object is found before it, so no style acts on it."""
CHANGES = 5
"""Changes of style per pair of steps; they are fast, so more can be measured."""

Run = Callable[[], tuple[float, int]]
"""Runs one side, and returns its seconds and its peak memory in bytes."""


class FirstStep(Exception):
    """Raised when the sampler calls the model for the first time."""


def measure_ratio(
    sides: Sides, kind: str, ours: str, theirs: str, pairs: int, seconds: float = math.inf, cpu_time: bool = False
) -> dict[str, list[tuple[float, float]]]:
    """Seconds and peak bytes (ours, theirs) of each pair.

    Args:
        sides: the compared MODELs.
        kind: "step", or "change" for a change of style until the first step.
        ours: name of our side.
        theirs: name of the other side.
        pairs: largest number of pairs.
        seconds: no new pair starts if it would end later. One pair is always measured.
        cpu_time: count the time on the CPU; see `device.clock`.

    Raises:
        NotAvailable: this ComfyUI cannot make a side.
    """
    clock = device.clock(cpu_time)
    if kind == "step":
        sides.model(ours), sides.model(theirs)
        runs = [_with_peak(lambda name=name: step_seconds(sides, name, clock)) for name in (ours, theirs)]
    else:
        pairs *= CHANGES
        runs = [_with_peak(lambda name=name: change_seconds(sides, name, clock)) for name in (ours, theirs)]
    if device.is_gpu():
        comfy.model_management.unload_all_models()  # so that the first peaks do not include other sides' styles
    first, measured = alternating(*runs, pairs, seconds)
    timed = [(one[0], other[0]) for one, other in measured]
    held = [(one[1], other[1]) for one, other in ([first] if device.is_gpu() else measured)]
    return {"seconds": timed, "bytes": held}


def alternating(
    ours: Run, theirs: Run, pairs: int, seconds: float = math.inf
) -> tuple[tuple[tuple, tuple], list[tuple[tuple, tuple]]]:
    """The warm-up (ours, theirs), and the pairs after it; the order alternates from pair to pair."""
    began = time.monotonic()
    second = theirs()
    warm_up, measured = (ours(), second), []
    for pair in range(pairs):
        now = time.monotonic()
        if pair and now + (now - began) / (pair + 1) > began + seconds:
            break
        if pair % 2:
            second = theirs()
            measured.append((ours(), second))
        else:
            measured.append((ours(), theirs()))
    return warm_up, measured


def step_seconds(sides: Sides, name: str, clock: Clock) -> float:
    """Seconds of the fastest whole step of a sampling run; other steps were disturbed by other programs."""
    ends: list[float] = []
    _sample(sides.model(name), sides, STEPS, lambda *_: ends.append(clock()))
    return min(after - before for before, after in itertools.pairwise(ends))


def change_seconds(sides: Sides, name: str, clock: Clock) -> float:
    """Seconds from the change of style (or LoRA) until the sampler calls the model for its first step."""

    def stop(executor, *args, **kwargs):
        raise FirstStep

    began = clock()
    try:
        model = sides.changed(name).clone()
        model.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, "benchmark", stop)
        _sample(model, sides, 1)
    except FirstStep:
        return clock() - began
    raise RuntimeError("the sampler never called the model")


def _with_peak(run: Callable[[], float]) -> Run:
    def measured() -> tuple[float, int]:
        device.reset_peak()
        seconds = run()
        return seconds, device.peak()

    return measured


def _sample(model: ModelPatcher, sides: Sides, steps: int, callback: Callable | None = None) -> None:
    """Euler steps with one reference, as KSampler does."""
    noise, positive = random_noise(sides.size), sides.conditioning
    with torch.inference_mode():
        comfy.sample.sample(
            model, noise, steps, 1.0, "euler", "simple", positive, positive, torch.zeros_like(noise),
            callback=callback, disable_pbar=True,
        )  # fmt: skip
