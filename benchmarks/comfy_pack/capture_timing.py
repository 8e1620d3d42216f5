"""Time and memory of sampling steps that capture the attention maps of every block, against bare steps."""

import sys
import time
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import comfy.sample
import torch
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrappersMP
from torch import Tensor

import nodes

from .random_model import TEXT_TOKENS, random_conditioning, random_flux, random_noise
from .style_timing import SIZE, STEPS

SPANS = {"object": (3, 4), "style": (6, 7, 8)}
"""Token positions of the two captured phrases."""
RESET_PEAK = "5"
"""Written to Linux's clear_refs, this value resets the process's peak memory."""


class LoadedPack(NamedTuple):
    """Parts of the loaded pack: its Capture Attention, and the module of spans."""

    CaptureAttention: type
    region_spans: ModuleType


def measure_capture(pairs: int) -> dict:
    """Seconds of a step and peak bytes of a run for each side, alternating: bare, captured, naive full softmax."""
    model = random_flux(SIZE)
    sides = {"bare": model, "captured": captured(model), "naive": with_naive_maps(model)}
    measured: dict[str, dict[str, list[float]]] = {side: {"seconds": [], "bytes": []} for side in sides}
    for side in sides.values():
        step_and_peak(side)
    for pair in range(pairs):
        for side in sorted(sides, reverse=bool(pair % 2)):
            seconds, peak = step_and_peak(sides[side])
            measured[side]["seconds"].append(seconds)
            measured[side]["bytes"].append(peak)
    return measured | {"model_bytes": sum(weight.nbytes for weight in model.model.parameters())}


def captured(model: ModelPatcher) -> ModelPatcher:
    """The model with the pack's Capture Attention."""
    pack = _pack()
    return pack.CaptureAttention.execute(model, conditioning()).args[0]


def with_naive_maps(model: ModelPatcher) -> ModelPatcher:
    """The model with maps from the full softmax matrix of every block, as most node packs compute them."""

    def override(func, q: Tensor, k: Tensor, v: Tensor, heads: int, *args, **kwargs) -> Tensor:
        matrix = (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(dim=-1)
        rows = slice(TEXT_TOKENS, TEXT_TOKENS + SIZE.cells**2 // 4)
        maps.append([matrix[:, :, rows, list(tokens)].mean(dim=(1, 3)) for tokens in SPANS.values()])
        return (matrix @ v).transpose(1, 2).flatten(2)

    maps: list = []
    clone = model.clone()
    clone.model_options["transformer_options"]["optimized_attention_override"] = override
    return clone


def conditioning() -> list:
    """Random text conditioning with one reference and the spans of two phrases."""
    spans = _pack().region_spans
    roles = [spans.RegionSpan(role, role, tokens) for role, tokens in SPANS.items()]
    return spans.with_spans(random_conditioning(SIZE), roles)


def step_and_peak(model: ModelPatcher) -> tuple[float, int]:
    """Seconds of the fastest step of a sampling run, and the run's peak memory in bytes."""
    seconds: list[float] = []

    def timed(executor, *args, **kwargs) -> Tensor:
        began = time.perf_counter()
        output = executor(*args, **kwargs)
        seconds.append(time.perf_counter() - began)
        return output

    clone = model.clone()
    clone.add_wrapper_with_key(WrappersMP.APPLY_MODEL, "benchmark", timed)
    _reset_peak()
    _sample(clone)
    return min(seconds), _peak()


def _sample(model: ModelPatcher) -> None:
    positive, noise = conditioning(), random_noise(SIZE)
    with torch.inference_mode():
        comfy.sample.sample(
            model, noise, STEPS, 1.0, "euler", "simple", positive, positive, torch.zeros_like(noise), disable_pbar=True
        )


def _reset_peak() -> None:
    if sys.platform == "linux":
        Path("/proc/self/clear_refs").write_text(RESET_PEAK)


def _peak() -> int:
    """Peak memory of this process in bytes since `_reset_peak`; 0 if the system does not report it."""
    if sys.platform != "linux":
        return 0
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def _pack() -> LoadedPack:
    """Parts of the loaded pack."""
    capture = nodes.NODE_CLASS_MAPPINGS["StyleRoute_CaptureAttention"]
    module = sys.modules[capture.__module__]
    return LoadedPack(capture, sys.modules[module.require_spans.__module__])
