"""A region expert's step with Focus and Cover against the same step without them."""

from collections.abc import Callable, Iterator

import torch
from diffusers import FluxTransformer2DModel
from torch.nn import functional

from ..flux.velocity import Reference, predict_velocity
from ..training.regions.capture import capture_maps
from ..training.regions.config import PRESETS, RegionTrainConfig
from ..training.regions.lora import add_lora
from ..training.regions.losses import attention_losses, joint_loss
from .experts import SIZES
from .row import Row, timed

TEXT_TOKENS, STYLE_TOKENS = 77, (4, 5, 6)
BATCH = 2
STEP_LIMIT = 1.3


def run_benchmark(pairs: int, cells: int = 64) -> Iterator[Row]:
    """A row for each preset's choices: blocks, slice, maps.

    Args:
        pairs: steps of each side, by turns.
        cells: side of the latents.
    """
    for name in ("paper", "release"):
        config = PRESETS[name]
        steps = [training_step(side, cells) for side in (config, None)]
        for step in steps:
            step()  # optimiser states are made, caches are warm
        ratios = tuple(timed(steps[0]) / timed(steps[1]) for _ in range(pairs))
        what = f"region step, {name}: {config.supervise.replace('-', ' ')}"
        yield Row(what, "the same without Focus and Cover", ratios, STEP_LIMIT)


def training_step(config: RegionTrainConfig | None, cells: int) -> Callable[[], None]:
    """A function that does one whole step: forward, backward, AdamW; without a configuration, by the flow alone."""
    torch.manual_seed(0)
    transformer = FluxTransformer2DModel(**SIZES)
    # Without losses the processors are diffusers' own.
    capture = config and capture_maps(transformer, config.blocks, config.losses.slice)
    optimizer = torch.optim.AdamW(add_lora(transformer, rank=4).values(), lr=1e-4)
    latents, reference = torch.randn(2, BATCH, 16, cells, cells)
    text = torch.randn(BATCH, TEXT_TOKENS, SIZES["joint_attention_dim"]), torch.randn(BATCH, 256)
    level = torch.full((BATCH,), 0.5)
    spans = [STYLE_TOKENS] if config and config.supervise == "mean-map" else [(token,) for token in STYLE_TOKENS]
    masks = (torch.rand(BATCH, len(spans), cells // 2, cells // 2) > 0.7).float()

    def step() -> None:
        if capture:
            capture.expect([spans] * BATCH, slice(TEXT_TOKENS, TEXT_TOKENS + (cells // 2) ** 2))
        with torch.autocast("cpu", torch.bfloat16):
            velocity = predict_velocity(transformer, latents, [Reference(reference)], level, text, level)
        flow = functional.mse_loss(velocity.float(), latents)
        loss = joint_loss(flow, attention_losses(capture.take(), masks, config), config) if capture else flow
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return step
