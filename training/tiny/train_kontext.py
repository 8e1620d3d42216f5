"""Stage 2 of the tiny Kontext: transformer and text encoders, as an editor and a painter, by flow matching."""

import itertools
import random
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import FluxTransformer2DModel
from torch import Tensor, nn

from ...flux.noise import add_noise, euler_sigmas, sampler_sigmas
from ...flux.velocity import Reference, predict_velocity
from ..changed_cells import weigh_changed
from .checkpoints import Stage
from .config import TRANSFORMER
from .edit_samples import KINDS, EditSample, EditSamples
from .loop import run_stage
from .optimizer import build_optimizer
from .prompts import TextEncoders, Tokenizers

GUIDANCE = (1.0, 5.0)

CAPTIONED = ("keep", "stylise")
"""Kinds of samples whose caption tells of the target: a photo stays one, or becomes the painting it names."""


@dataclass(frozen=True)
class KontextConfig:
    """Schedule: the first ``crop_share`` of the steps see quarter images (windows of 16 x 16 latent cells).

    Attributes:
        kinds: shares of the samples to keep, to edit the image, to edit an object, to paint.
        unreferenced_every: every how many steps there is no reference, and the caption alone is painted.
        caption_share: how often the caption stands in for the instruction where a reference is kept or painted: the
            content prompts that experts are trained with.
        changed_weight: weight of latent cells that the sample changes.
        early_share: how many of the samples on objects are drawn from the sampler's first half. There it is decided
            which cells are changed, and the loss, which is of velocities, makes least of it.
        start: folder of a small Kontext's weights to go on from, under a schedule of this run's own.
    """

    steps: int = 5000
    batch: int = 32
    matrix_rate: float = 3e-3
    rate: float = 1e-3
    crop_share: float = 0.75
    kinds: tuple[float, float, float, float] = (0.05, 0.13, 0.52, 0.30)
    unreferenced_every: int = 6
    caption_share: float = 0.4
    changed_weight: float = 5.0
    early_share: float = 0.5
    compile: bool = True
    start: Path | None = None


@dataclass(frozen=True)
class EditBatch:
    """Latents [B, 16, H, W] of targets and references (None: paint from the caption alone), and their prompts.

    ``early`` [B] tells which are to be drawn from the sampler's first half.
    """

    target: Tensor
    reference: Tensor | None
    prompts: list[str]
    corner: tuple[int, int]
    early: Tensor


class TinyKontext(nn.Module):
    """diffusers' own FLUX transformer at small width, with the text encoders that are trained beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.transformer = FluxTransformer2DModel(**TRANSFORMER)
        self.text = TextEncoders()

    def velocity(self, noisy: Tensor, reference: Tensor | None, sigma: Tensor, text: tuple[Tensor, Tensor],
                 guidance: Tensor, corner: tuple[int, int] = (0, 0)) -> Tensor:  # fmt: skip
        """Velocity [B, 16, H, W] at noise level ``sigma`` [B]; the reference stands at position index 1."""
        references = [] if reference is None else [Reference(reference, 1, corner)]
        return predict_velocity(self.transformer, noisy, references, sigma, text, guidance, corner)


def train_kontext(
    stage: Stage, config: KontextConfig, samples: EditSamples, tokenizers: Tokenizers, start: TinyKontext | None = None
) -> TinyKontext:
    """Train, resuming from the stage's checkpoint; each batch's randomness follows from its step number.

    Args:
        start: a trained model to go on from, in the place of random weights.
    """
    model = TinyKontext() if start is None else start
    optimizer = build_optimizer(model, config.matrix_rate, config.rate, decay=0.01)
    stage.restore(model=model, optimizer=optimizer)
    if config.compile:
        model.transformer.compile(dynamic=False)

    def loss_of(step: int) -> Tensor:
        return training_loss(model, config, _batch(step, config, samples), tokenizers, step)

    run_stage(stage, model, optimizer, loss_of)
    return model.eval()


def training_loss(
    model: TinyKontext, config: KontextConfig, batch: EditBatch, tokenizers: Tokenizers, step: int
) -> Tensor:
    """Flow-matching loss, the changed cells weighted up so that a small object's edit is not drowned."""
    generator = torch.Generator().manual_seed(step)
    noise = torch.randn(batch.target.shape, generator=generator)
    count = len(batch.target)
    sigma = torch.where(batch.early, sampler_sigmas(count, generator, least_time=0.5), sampler_sigmas(count, generator))
    guidance = torch.empty(len(sigma)).uniform_(*GUIDANCE, generator=generator)
    with torch.autocast("cpu", torch.bfloat16):
        text = model.text(*tokenizers(batch.prompts))
        noisy = add_noise(batch.target, noise, sigma)
        velocity = model.velocity(noisy, batch.reference, sigma, text, guidance, batch.corner)
    error = (velocity.float() - (noise - batch.target)).pow(2).mean(1)
    if batch.reference is None:
        return error.mean()
    return weigh_changed(error, batch.target, batch.reference, config.changed_weight)


def _batch(step: int, config: KontextConfig, samples: EditSamples) -> EditBatch:
    rng = random.Random(step)
    unreferenced = step % config.unreferenced_every == config.unreferenced_every - 1
    whole = step >= config.crop_share * config.steps
    count = (config.batch * 2 if unreferenced else config.batch) // (4 if whole else 1)
    chosen = _choose(samples, count, unreferenced, config, rng)
    top, left = (0, 0) if whole else (2 * rng.randint(0, 8), 2 * rng.randint(0, 8))
    size = 32 if whole else 16
    window = (slice(None), slice(None), slice(top, top + size), slice(left, left + size))
    target = samples.latents[[sample.target for sample in chosen]].float()[window]
    reference = samples.latents[[sample.scene for sample in chosen]].float()[window]
    prompts = [
        sample.caption
        if unreferenced or (sample.kind in CAPTIONED and rng.random() < config.caption_share)
        else sample.prompt
        for sample in chosen
    ]
    early = torch.tensor([sample.kind == "object" and rng.random() < config.early_share for sample in chosen])
    return EditBatch(target, None if unreferenced else reference, prompts, (top // 2, left // 2), early)


def _choose(
    samples: EditSamples, count: int, unreferenced: bool, config: KontextConfig, rng: random.Random
) -> list[EditSample]:
    """EditSamples by kind; without a reference only photos and paintings make sense."""
    kinds, shares = (CAPTIONED, (0.4, 0.6)) if unreferenced else (KINDS, config.kinds)
    return [rng.choice(samples.groups[kind]) for kind in rng.choices(kinds, shares, k=count)]


@torch.no_grad()
def edit(model: TinyKontext, reference: Tensor | None, prompts: list[str], tokenizers: Tokenizers,
         steps: int = 20, seed: int = 0, guidance: float = 3.5, size: int = 32) -> Tensor:  # fmt: skip
    """Euler sampling as ComfyUI's ``euler`` and ``simple`` do it: latents [B, 16, size, size]."""
    text = model.text(*tokenizers(prompts))
    latents = torch.randn(len(prompts), 16, size, size, generator=torch.Generator().manual_seed(seed))
    sigmas = euler_sigmas(steps)
    for now, after in itertools.pairwise(sigmas):
        level = now.expand(len(prompts))
        velocity = model.velocity(latents, reference, level, text, torch.full_like(level, guidance))
        latents = latents + (after - now) * velocity
    return latents
