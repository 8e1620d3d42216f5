"""Time and memory of a Stage 2 step with routed experts, against a PEFT LoRA of the chosen experts' rank."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import torch
from diffusers import FluxTransformer2DModel
from peft import LoraConfig
from torch import Tensor
from torch.nn import functional

from ..training.experts.routed_linear import ADAPTED, AdapterConfig, BatchStyle, add_experts, trained_state
from .budget import Budget
from .measurement import NOISE, Measurement, alternating_ratios
from .random_transformer import finish, random_latents, random_transformer, velocity_of

CONFIG = AdapterConfig()
"""The published sizes: 16 experts of rank 8, of which a layer uses two, and a shared expert."""

RANK = CONFIG.shared_rank + CONFIG.top_k * CONFIG.rank
"""Rank of the shared and the chosen experts together."""

SIDES = ("experts", "peft")
SIZES: Mapping[str, Any] = {
    "in_channels": 64, "num_layers": 2, "num_single_layers": 4, "attention_head_dim": 128, "num_attention_heads": 8,
    "joint_attention_dim": 1024, "pooled_projection_dim": 256, "guidance_embeds": True, "axes_dims_rope": (16, 56, 56),
}  # fmt: skip
BOUND_CELLS = 64
"""Smallest side of the latents for which a batch of one has a bound."""


def limit(batch: int, cells: int) -> float | None:
    """The largest allowed ratio of time and of peak memory; None for a batch of one with few tokens."""
    if batch >= 8:
        return 0.9
    return 1.0 if cells >= BOUND_CELLS else None


def run_benchmark(pairs: int, cells: int = 64) -> Iterator[Measurement]:
    """Measure batch sizes 1 and 8, with another style for each image; `cells` is the side of the latents."""
    for batch in (1, 8):
        yield from compare(batch, pairs, cells)


def compare(
    batch: int,
    pairs: int,
    cells: int = 64,
    sizes: Mapping[str, Any] | None = None,
    device: str = "cpu",
    budget: Budget | None = None,
    size: str = "",
) -> Iterator[Measurement]:
    """Measure alternating steps of both sides in one process, then the memory of each side by itself.

    Args:
        batch: images in a step.
        pairs: largest number of steps of each side.
        cells: side of the latents in cells.
        sizes: sizes of the transformer, as diffusers names them; None: `SIZES`.
        device: a torch device.
        budget: the time limit of the steps.
        size: name of the sizes in the table.
    """
    sizes, most = sizes or SIZES, limit(batch, cells)
    steps = {side: training_step(side, batch, cells, sizes, device) for side in SIDES}
    for step in steps.values():
        step()  # creates optimiser states
    ratios = alternating_ratios(steps["experts"], steps["peft"], pairs, budget)
    steps.clear()
    step = None  # the loop's variable would keep a model
    against, name = f"PEFT LoRA, rank {RANK}", f"training step, batch {batch}, latents {cells} x {cells}"
    yield Measurement(name, against, ratios, 1 + NOISE if most == 1 else most, size=size)
    ours, theirs = (peak_of_side(side, batch, cells, sizes, device) for side in SIDES)
    yield Measurement(f"{name}: peak memory", against, (ours / theirs,), most, size=size)


def training_step(
    side: str, batch: int, cells: int, sizes: Mapping[str, Any] = SIZES, device: str = "cpu"
) -> Callable[[], None]:
    """A function that runs one step: forward, backward, AdamW. Both sides have the same random weights."""
    torch.manual_seed(0)
    transformer, style = random_transformer(sizes, device), BatchStyle()
    style.set(torch.randn(batch, CONFIG.cond_dim, device=device))
    trained = _experts(transformer, style) if side == "experts" else _peft(transformer)
    optimizer = torch.optim.AdamW(trained, lr=1e-4)
    latents, reference = random_latents(batch, cells, device)
    predict = velocity_of(transformer, latents, reference)

    def step() -> None:
        with torch.autocast(device, torch.bfloat16):
            velocity = predict()
        functional.mse_loss(velocity.float(), latents).backward()
        optimizer.step()
        optimizer.zero_grad()
        finish(device)

    return step


def lora_config(rank: int) -> LoraConfig:
    """A PEFT LoRA of the adapted layers."""
    names = "|".join(name.replace(".", r"\.") for name in ADAPTED)
    return LoraConfig(r=rank, lora_alpha=rank, target_modules=rf".*blocks\..*({names})")


def _experts(transformer: FluxTransformer2DModel, style: BatchStyle) -> list[Tensor]:
    return list(trained_state(add_experts(transformer, style, CONFIG)).values())


def _peft(transformer: FluxTransformer2DModel) -> list[Tensor]:
    """The trained weights of PEFT's LoRA, in float32 as those of the experts."""
    transformer.add_adapter(lora_config(RANK))
    trained = [parameter for parameter in transformer.parameters() if parameter.requires_grad]
    for parameter in trained:
        parameter.data = parameter.data.float()
    return trained


def peak_of_side(side: str, batch: int, cells: int, sizes: Mapping[str, Any] = SIZES, device: str = "cpu") -> int:
    """Peak memory of one side in bytes: of a new process, or of the graphics card."""
    if device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        _run_twice(side, batch, cells, sizes, device)
        return torch.cuda.max_memory_allocated()
    call = f"print_peak({side!r}, {batch}, {cells}, {dict(sizes)!r})"
    command = [sys.executable, "-c", f"from {__name__} import print_peak; {call}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout.splitlines()[-1])


def print_peak(side: str, batch: int, cells: int, sizes: Mapping[str, Any] = SIZES) -> None:
    """Run two steps and print the process's peak memory in bytes."""
    _run_twice(side, batch, cells, sizes, "cpu")
    print(_process_peak())


def _run_twice(side: str, batch: int, cells: int, sizes: Mapping[str, Any], device: str) -> None:
    step = training_step(side, batch, cells, sizes, device)
    for _ in range(2):
        step()


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
