"""Time and memory of a Stage 2 step with routed experts, against a PEFT LoRA of the chosen experts' rank."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import torch
from diffusers import FluxTransformer2DModel
from peft import LoraConfig
from torch import Tensor
from torch.nn import functional

from ..flux.velocity import Reference, predict_velocity
from ..training.experts.routed_linear import ADAPTED, AdapterConfig, BatchStyle, add_experts, trained_state
from .measurement import Measurement, timed

CONFIG = AdapterConfig()
"""The published sizes: 16 experts of rank 8, of which a layer uses two, and a shared expert."""

RANK = CONFIG.shared_rank + CONFIG.top_k * CONFIG.rank
"""Rank of the shared and the chosen experts together."""

SIDES = ("experts", "peft")
SIZES = {
    "in_channels": 64, "num_layers": 2, "num_single_layers": 4, "attention_head_dim": 128, "num_attention_heads": 8,
    "joint_attention_dim": 1024, "pooled_projection_dim": 256, "guidance_embeds": True, "axes_dims_rope": (16, 56, 56),
}  # fmt: skip
TEXT_TOKENS = 128
STEP_LIMIT, MEMORY_LIMIT = 1.10, 1.05
"""Largest allowed ratios of time and peak memory."""


def run_benchmark(pairs: int, cells: int = 64) -> Iterator[Measurement]:
    """Measure batch sizes 1 and 8, with another style for each image; `cells` is the side of the latents."""
    for batch in (1, 8):
        yield from compare(batch, pairs, cells)


def compare(batch: int, pairs: int, cells: int = 64) -> Iterator[Measurement]:
    """Measure alternating steps of both sides in one process, then the memory of each side in a new process.

    Args:
        batch: images in a step.
        pairs: steps of each side.
        cells: side of the latents in cells.
    """
    steps = {side: training_step(side, batch, cells) for side in SIDES}
    for step in steps.values():
        step()  # creates optimiser states and warms caches
    ratios = tuple(timed(steps["experts"]) / timed(steps["peft"]) for _ in range(pairs))
    steps.clear()
    against = f"PEFT LoRA, rank {RANK}"
    yield Measurement(f"batch {batch}: step", against, ratios, STEP_LIMIT)
    ours, theirs = (_peak_of_side(side, batch, cells) for side in SIDES)
    yield Measurement(f"batch {batch}: peak memory", against, (ours / theirs,), MEMORY_LIMIT)


def training_step(side: str, batch: int, cells: int) -> Callable[[], None]:
    """A function that runs one step: forward, backward, AdamW. Both sides have the same random weights."""
    torch.manual_seed(0)
    transformer, style = FluxTransformer2DModel(**SIZES), BatchStyle()
    style.set(torch.randn(batch, CONFIG.cond_dim))
    trained = _experts(transformer, style) if side == "experts" else _peft(transformer)
    optimizer = torch.optim.AdamW(trained, lr=1e-4)
    latents, reference = torch.randn(2, batch, 16, cells, cells)
    text = torch.randn(batch, TEXT_TOKENS, SIZES["joint_attention_dim"]), torch.randn(batch, 256)
    level = torch.full((batch,), 0.5)

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16):
            velocity = predict_velocity(transformer, latents, [Reference(reference)], level, text, level)
        functional.mse_loss(velocity.float(), latents).backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def _experts(transformer: FluxTransformer2DModel, style: BatchStyle) -> list[Tensor]:
    return list(trained_state(add_experts(transformer, style, CONFIG)).values())


def _peft(transformer: FluxTransformer2DModel) -> list[Tensor]:
    transformer.requires_grad_(False)
    names = "|".join(name.replace(".", r"\.") for name in ADAPTED)
    transformer.add_adapter(LoraConfig(r=RANK, lora_alpha=RANK, target_modules=rf".*blocks\..*({names})"))
    return [parameter for parameter in transformer.parameters() if parameter.requires_grad]


def _peak_of_side(side: str, batch: int, cells: int) -> int:
    """Peak memory of one side in bytes, in a new process."""
    command = [sys.executable, "-c", f"from {__name__} import print_peak; print_peak({side!r}, {batch}, {cells})"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout.splitlines()[-1])


def print_peak(side: str, batch: int, cells: int) -> None:
    """Run two steps and print the process's peak memory in bytes."""
    step = training_step(side, batch, cells)
    for _ in range(2):
        step()
    print(_process_peak())


def _process_peak() -> int:
    """Peak memory of this process in bytes."""
    if sys.platform == "win32":
        return psutil.Process().memory_info().peak_wset
    if sys.platform == "linux":
        # getrusage would include the peak of the parent process.
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
