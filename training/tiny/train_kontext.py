"""Stage 2 of the small Kontext: trains transformer and text encoders on edits and styles by flow matching."""

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
from .config import TRANSFORMER
from .edit_samples import KINDS, EditSample, EditSamples
from .optimizer import build_optimizer
from .prompts import TextEncoders, Tokenizers
from .stage import Stage, StageTrainer

GUIDANCE = (1.0, 5.0)
"""Range of the guidance scales that are drawn in training."""

CAPTIONED = ("keep", "stylise")
"""Kinds of samples whose caption describes the whole target, so that it can replace the instruction."""


@dataclass(frozen=True)
class KontextConfig:
    """Options of the training. The first ``crop_share`` of the steps use quarter images (16 x 16 latent pixels).

    Attributes:
        kinds: shares of the kinds of samples, in the order of `KINDS`.
        unreferenced_every: every this many steps, the batch has no reference and uses captions as prompts.
        caption_share: share of the samples of the kinds "keep" and "stylise" whose prompt is the caption. Experts are
            trained with such prompts.
        changed_weight: loss weight of the latent pixels that an edit changes.
        early_share: share of the object samples whose noise level is from the sampler's first half. These steps decide
            which pixels change, but the velocity loss gives them little weight.
        start: folder of the weights of a small Kontext to start from; the schedule starts anew.
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
    """Latents [B, 16, H, W] of targets and references (None: no reference), and the prompts.

    ``early`` [B] is True for samples whose noise level is from the sampler's first half.
    """

    target: Tensor
    reference: Tensor | None
    prompts: list[str]
    corner: tuple[int, int]
    early: Tensor


class TinyKontext(nn.Module):
    """The FLUX transformer of diffusers at small width, with its text encoders."""

    def __init__(self) -> None:
        super().__init__()
        self.transformer = FluxTransformer2DModel(**TRANSFORMER)
        self.text = TextEncoders()

    def velocity(self, noisy: Tensor, reference: Tensor | None, sigma: Tensor, text: tuple[Tensor, Tensor],
                 guidance: Tensor, corner: tuple[int, int] = (0, 0)) -> Tensor:  # fmt: skip
        """Returns the velocity [B, 16, H, W] at noise level ``sigma`` [B]; the reference has position index 1."""
        references = [] if reference is None else [Reference(reference, 1, corner)]
        return predict_velocity(self.transformer, noisy, references, sigma, text, guidance, corner)


def train_kontext(
    stage: Stage, config: KontextConfig, samples: EditSamples, tokenizers: Tokenizers, start: TinyKontext | None = None
) -> TinyKontext:
    """Trains from the stage's checkpoint; the random choices of a batch depend only on its step number.

    Args:
        start: a trained model to start from; by default the weights are random.
    """
    model = TinyKontext() if start is None else start
    optimizer = build_optimizer(model, config.matrix_rate, config.rate, decay=0.01)

    def loss_of(step: int) -> Tensor:
        return training_loss(model, config, _batch(step, config, samples), tokenizers, step)

    trainer = StageTrainer(stage, model, optimizer, loss_of)
    if config.compile:
        model.transformer.compile(dynamic=False)
    trainer.train()
    return model.eval()


def training_loss(
    model: TinyKontext, config: KontextConfig, batch: EditBatch, tokenizers: Tokenizers, step: int
) -> Tensor:
    """Returns the flow-matching loss; changed latent pixels weigh more, so that edits of small objects count."""
    generator = torch.Generator().manual_seed(step)
    noise = torch.randn(batch.target.shape, generator=generator)
    count = len(batch.target)
    sigma = torch.where(batch.early, sampler_sigmas(count, generator, least_time=0.5), sampler_sigmas(count, generator))
    guidance = torch.empty(len(sigma)).uniform_(*GUIDANCE, generator=generator)
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
    """Draws samples by kind; without a reference only the kinds `CAPTIONED`."""
    kinds, shares = (CAPTIONED, (0.4, 0.6)) if unreferenced else (KINDS, config.kinds)
    return [rng.choice(samples.groups[kind]) for kind in rng.choices(kinds, shares, k=count)]


@torch.no_grad()
def edit(model: TinyKontext, reference: Tensor | None, prompts: list[str], tokenizers: Tokenizers,
         steps: int = 20, seed: int = 0, guidance: float = 3.5, size: int = 32) -> Tensor:  # fmt: skip
    """Samples latents [B, 16, size, size] with Euler steps, like ComfyUI's ``euler`` with ``simple``."""
    text = model.text(*tokenizers(prompts))
    latents = torch.randn(len(prompts), 16, size, size, generator=torch.Generator().manual_seed(seed))
    sigmas = euler_sigmas(steps)
    for now, after in itertools.pairwise(sigmas):
        level = now.expand(len(prompts))
        velocity = model.velocity(latents, reference, level, text, torch.full_like(level, guidance))
        latents = latents + (after - now) * velocity
    return latents
