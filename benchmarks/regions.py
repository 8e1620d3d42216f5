"""Time of a region expert's training step with Focus and Cover loss, against the same step without them."""

from collections.abc import Callable, Iterator

import torch
from diffusers import FluxTransformer2DModel
from torch.nn import functional

from ..flux.velocity import Reference, predict_velocity
from ..training.regions.capture import capture_maps
from ..training.regions.config import PRESETS, RegionObjective
from ..training.regions.lora import add_lora
from ..training.regions.losses import attention_losses, joint_loss
from .experts import SIZES
from .measurement import Measurement, timed

TEXT_TOKENS, STYLE_TOKENS = 77, (4, 5, 6)
BATCH = 2
STEP_LIMIT = 1.3
"""Largest allowed ratio of time."""


def run_benchmark(pairs: int, cells: int = 64) -> Iterator[Measurement]:
    """Measure the presets paper and release, which differ in blocks, slice and maps.

    Args:
        pairs: steps of each side, alternating.
        cells: side of the latents in cells.
    """
    for name in ("paper", "release"):
        objective = PRESETS[name].objective
        steps = [training_step(side, cells) for side in (objective, None)]
        for step in steps:
            step()  # creates optimiser states and warms caches
        ratios = tuple(timed(steps[0]) / timed(steps[1]) for _ in range(pairs))
        what = f"region step, {name}: {objective.supervise.replace('-', ' ')}"
        yield Measurement(what, "the same without Focus and Cover", ratios, STEP_LIMIT)


def training_step(objective: RegionObjective | None, cells: int) -> Callable[[], None]:
    """A function that runs one step: forward, backward, AdamW; without an objective, only the flow loss."""
    torch.manual_seed(0)
    transformer = FluxTransformer2DModel(**SIZES)
    # Without attention losses the transformer has diffusers' own processors.
    capture = objective and capture_maps(transformer, objective.blocks, objective.losses.slice)
    optimizer = torch.optim.AdamW(add_lora(transformer, rank=4).values(), lr=1e-4)
    latents, reference = torch.randn(2, BATCH, 16, cells, cells)
    text = torch.randn(BATCH, TEXT_TOKENS, SIZES["joint_attention_dim"]), torch.randn(BATCH, 256)
    level = torch.full((BATCH,), 0.5)
    each_token = objective is None or objective.each_token
    spans = [(token,) for token in STYLE_TOKENS] if each_token else [STYLE_TOKENS]
    masks = (torch.rand(BATCH, len(spans), cells // 2, cells // 2) > 0.7).float()

    def step() -> None:
        if capture:
            capture.expect([spans] * BATCH, slice(TEXT_TOKENS, TEXT_TOKENS + (cells // 2) ** 2))
        with torch.autocast("cpu", torch.bfloat16):
            velocity = predict_velocity(transformer, latents, [Reference(reference)], level, text, level)
        flow = functional.mse_loss(velocity.float(), latents)
        loss = joint_loss(flow, attention_losses(capture.take(), masks, objective), objective) if capture else flow
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return step
