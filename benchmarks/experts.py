"""A Stage 2 step with routed experts against the same model under a PEFT LoRA of the kept experts' rank."""

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
from ..training.experts.routed_linear import ADAPTED, AdapterConfig, Style, add_experts, trained_state
from .row import Row, timed

CONFIG = AdapterConfig()
"""The published sizes: 16 experts of rank 8, two kept, one shared."""

RANK = CONFIG.shared_rank + CONFIG.top_k * CONFIG.rank
SIDES = ("experts", "peft")
SIZES = {
    "in_channels": 64, "num_layers": 2, "num_single_layers": 4, "attention_head_dim": 128, "num_attention_heads": 8,
    "joint_attention_dim": 1024, "pooled_projection_dim": 256, "guidance_embeds": True, "axes_dims_rope": (16, 56, 56),
}  # fmt: skip
TEXT_TOKENS = 128
STEP_LIMIT, MEMORY_LIMIT = 1.10, 1.05


def run_benchmark(pairs: int, cells: int = 64) -> Iterator[Row]:
    """The rows of batch sizes 1 and 8, each image in another style; `cells` is the side of the latents."""
    for batch in (1, 8):
        yield from compare(batch, pairs, cells)


def compare(batch: int, pairs: int, cells: int = 64) -> Iterator[Row]:
    """Steps of both sides by turns in one process, then each side's memory in a process of its own.

    Args:
        batch: images in a step.
        pairs: steps of each side.
        cells: side of the latents.
    """
    steps = {side: training_step(side, batch, cells) for side in SIDES}
    for step in steps.values():
        step()  # optimiser states are made, caches are warm
    ratios = tuple(timed(steps["experts"]) / timed(steps["peft"]) for _ in range(pairs))
    steps.clear()
    against = f"PEFT LoRA, rank {RANK}"
    yield Row(f"batch {batch}: step", against, ratios, STEP_LIMIT)
    ours, theirs = (_alone(side, batch, cells) for side in SIDES)
    yield Row(f"batch {batch}: peak memory", against, (ours / theirs,), MEMORY_LIMIT)


def training_step(side: str, batch: int, cells: int) -> Callable[[], None]:
    """A function that does one whole step: forward, backward, AdamW. Random weights, the same for both sides."""
    torch.manual_seed(0)
    transformer, style = FluxTransformer2DModel(**SIZES), Style()
    style.embedding = torch.randn(batch, CONFIG.cond_dim)
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


def _experts(transformer: FluxTransformer2DModel, style: Style) -> list[Tensor]:
    return list(trained_state(add_experts(transformer, style, CONFIG)).values())


def _peft(transformer: FluxTransformer2DModel) -> list[Tensor]:
    transformer.requires_grad_(False)
    names = "|".join(name.replace(".", r"\.") for name in ADAPTED)
    transformer.add_adapter(LoraConfig(r=RANK, lora_alpha=RANK, target_modules=rf".*blocks\..*({names})"))
    return [parameter for parameter in transformer.parameters() if parameter.requires_grad]


def _alone(side: str, batch: int, cells: int) -> int:
    """Peak memory in bytes of one side, in a process that has never held anything else."""
    command = [sys.executable, "-c", f"from {__name__} import print_peak; print_peak({side!r}, {batch}, {cells})"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout.splitlines()[-1])


def print_peak(side: str, batch: int, cells: int) -> None:
    """Two steps, then the process's peak memory in bytes."""
    step = training_step(side, batch, cells)
    for _ in range(2):
        step()
    print(_peak())


def _peak() -> int:
    """The most bytes that this process has held."""
    if sys.platform == "win32":
        return psutil.Process().memory_info().peak_wset
    if sys.platform == "linux":
        # Not getrusage: its maximum is inherited from the process that started this one.
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
