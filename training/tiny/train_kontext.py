"""Stage 2 of the small Kontext: trains transformer and text encoders on edits and styles by flow matching."""

import itertools
import random
from dataclasses import dataclass

import torch
from diffusers import FluxTransformer2DModel
from torch import Tensor, nn

from ...errors import TrainingError
from ...flux.noise import add_noise, euler_sigmas, sampler_sigmas
from ...flux.velocity import Reference, predict_velocity
from ..changed_cells import weigh_changed
from .config import GRID, IMAGE_SIZES, TRANSFORMER
from .edit_samples import KINDS, EditSample, EditSamples
from .optimizer import build_optimizer
from .options import KontextConfig
from .prompts import TextEncoders, Tokenizers
from .stage import Stage, StageTrainer

GUIDANCE = (1.0, 5.0)
"""Range of the guidance scales that are drawn in training."""

WINDOW_TOKENS = 256
"""Image tokens of the most frequent window, 16 x 16: the unit of a batch."""

WINDOW_SHARES = {(32, 32): 0.55, (48, 48): 0.15, (24, 40): 0.1, (40, 24): 0.1, (22, 44): 0.05, (44, 22): 0.05}
"""Shares of the windows by height and width in latent pixels, of aspects from 1:2 to 2:1."""

WHOLE_SIZES = {(height // 8, width // 8): 1.0 for height, width in IMAGE_SIZES}
"""Shares of the whole images by height and width in latent pixels."""

CAPTIONED = ("keep", "stylise")
"""Kinds of samples whose caption describes the whole target, so that it can replace the instruction."""


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

    Raises:
        TrainingError: a batch cannot be filled, because no sample has its kind and size.
    """
    require_samples(config, samples)
    model = TinyKontext() if start is None else start
    optimizer = build_optimizer(model, config.matrix_rate, config.rate, decay=0.01)

    def loss_of(step: int) -> Tensor:
        return training_loss(model, config, draw_batch(step, config, samples), tokenizers, step)

    trainer = StageTrainer(stage, model, optimizer, loss_of)
    if config.compile:
        model.transformer.compile(dynamic=False)
    trainer.train()
    return model.eval()


def require_samples(config: KontextConfig, samples: EditSamples) -> None:
    """Checks that the samples can fill every batch.

    Raises:
        TrainingError: no sample has a kind and size that the training draws.
    """
    kinds = dict.fromkeys((*CAPTIONED, *(kind for kind, share in zip(KINDS, config.kinds, strict=True) if share)))
    for sizes, whole in ((WINDOW_SHARES, False), (WHOLE_SIZES, True)):
        for size, kind in itertools.product(sizes, kinds):
            if not samples.choices(kind, size, whole):
                height, width = (8 * side for side in size)
                raise TrainingError(
                    f"no sample of the kind {kind!r} has {'exactly' if whole else 'at least'} {height} x {width} "
                    "pixels (height x width), but the training draws such samples: give more --scenes, or a smaller "
                    "--object-share"
                )


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


def draw_batch(step: int, config: KontextConfig, samples: EditSamples) -> EditBatch:
    """Draws the batch of a step: whole images, or windows anywhere in the grid of token positions.

    The reference moves together with the target.
    """
    rng = random.Random(step)
    unreferenced = step % config.unreferenced_every == config.unreferenced_every - 1
    whole = step % config.whole_every == config.whole_every - 1
    size = _draw_size(whole, rng)
    rows, columns = size[0] // 2, size[1] // 2
    corner = (0, 0) if whole else (rng.randint(0, GRID - rows), rng.randint(0, GRID - columns))
    tokens = config.batch * WINDOW_TOKENS * (2 if unreferenced else 1)
    chosen = _choose(samples, max(1, tokens // (rows * columns)), size, whole, unreferenced, config, rng)
    windows = [_window(samples.size(sample), size, rng) for sample in chosen]
    target = _cut(samples, [sample.target for sample in chosen], windows)
    reference = None if unreferenced else _cut(samples, [sample.scene for sample in chosen], windows)
    prompts = [
        sample.caption
        if unreferenced or (sample.kind in CAPTIONED and rng.random() < config.caption_share)
        else sample.prompt
        for sample in chosen
    ]
    early = torch.tensor([sample.kind == "object" and rng.random() < config.early_share for sample in chosen])
    return EditBatch(target, reference, prompts, corner, early)


def _draw_size(whole: bool, rng: random.Random) -> tuple[int, int]:
    """Draws height and width of a batch in latent pixels."""
    sizes = WHOLE_SIZES if whole else WINDOW_SHARES
    return rng.choices(list(sizes), list(sizes.values()))[0]


def _choose(
    samples: EditSamples,
    count: int,
    size: tuple[int, int],
    whole: bool,
    unreferenced: bool,
    config: KontextConfig,
    rng: random.Random,
) -> list[EditSample]:
    """Draws samples of this size by kind; without a reference only the kinds `CAPTIONED`."""
    kinds, shares = (CAPTIONED, (0.4, 0.6)) if unreferenced else (KINDS, config.kinds)
    return [rng.choice(samples.choices(kind, size, whole)) for kind in rng.choices(kinds, shares, k=count)]


def _window(full: tuple[int, int], size: tuple[int, int], rng: random.Random) -> tuple[slice, slice]:
    """Draws the rows and columns of a window of an image, in latent pixels. It begins at a whole token."""
    top, left = (2 * rng.randint(0, (side - part) // 2) for side, part in zip(full, size, strict=True))
    return slice(top, top + size[0]), slice(left, left + size[1])


def _cut(samples: EditSamples, indices: list[int], windows: list[tuple[slice, slice]]) -> Tensor:
    """The windows of these latents, [B, 16, H, W]."""
    return torch.stack([samples.latents[i][:, *window].float() for i, window in zip(indices, windows, strict=True)])


@torch.no_grad()
def edit(
    model: TinyKontext,
    reference: Tensor | None,
    prompts: list[str],
    tokenizers: Tokenizers,
    steps: int = 20,
    seed: int = 0,
    guidance: float = 3.5,
    size: tuple[int, int] | None = None,
) -> Tensor:
    """Samples latents [B, 16, H, W] with Euler steps, like ComfyUI's ``euler`` with ``simple``.

    Args:
        size: height and width in latent pixels; None for the reference's size.
    """
    text = model.text(*tokenizers(prompts))
    shape = reference.shape[-2:] if size is None else size
    latents = torch.randn(len(prompts), 16, *shape, generator=torch.Generator().manual_seed(seed))
    sigmas = euler_sigmas(steps)
    for now, after in itertools.pairwise(sigmas):
        level = now.expand(len(prompts))
        velocity = model.velocity(latents, reference, level, text, torch.full_like(level, guidance))
        latents = latents + (after - now) * velocity
    return latents
