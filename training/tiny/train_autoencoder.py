"""Stage 1 of the small Kontext: trains the autoencoder on random crops of photos."""

import random
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms.functional import to_tensor

from ...dataset.photos import Photo, load_photos
from .autoencoder import Autoencoder
from .optimizer import build_optimizer
from .stage import Stage, StageTrainer


@dataclass(frozen=True)
class AutoencoderConfig:
    """Options of the autoencoder's training; ``crop`` is the side of the square crops in pixels."""

    steps: int = 2400
    batch: int = 16
    crop: int = 64
    matrix_rate: float = 3e-3
    rate: float = 1e-3
    decoder_only: bool = False
    swapped: float = 0.5


def train_autoencoder(
    stage: Stage, config: AutoencoderConfig, images: list[np.ndarray], start: Autoencoder | None = None
) -> Autoencoder:
    """Trains on ``images`` (each uint8 [H, W, 3]), from the stage's checkpoint or from ``start``.

    The loss is the mean logarithm of each image's squared error, which is proportional to PSNR, so that no difficult
    image dominates. A small penalty keeps the latents near mean 0 and spread 1, as the transformer's noise schedule
    expects. With ``decoder_only`` the encoder, and with it every cached latent, stays unchanged.
    """
    model = (start or Autoencoder()).to(memory_format=torch.channels_last)
    if config.decoder_only:
        model.taesd_encoder.requires_grad_(False)
    optimizer = build_optimizer(model, config.matrix_rate, config.rate)

    def loss_of(step: int) -> Tensor:
        return autoencoder_loss(model, _batch(images, config, random.Random(step)), config.decoder_only)

    StageTrainer(stage, model, optimizer, loss_of).train()
    return model.eval()


def autoencoder_loss(model: Autoencoder, batch: Tensor, decoder_only: bool) -> Tensor:
    """Returns the loss on images [B, 3, S, S] in 0..1."""
    latents = model.encode(batch)
    restored = model.decode(latents.detach() if decoder_only else latents)
    error = log_error(restored.float(), batch)
    return error if decoder_only else error + 0.02 * spread_penalty(latents.float())


def _batch(images: list[np.ndarray], config: AutoencoderConfig, rng: random.Random) -> Tensor:
    return swap_colors(random_crops(images, config.batch, config.crop, rng), config.swapped, rng)


def random_crops(images: list[np.ndarray], count: int, size: int, rng: random.Random) -> Tensor:
    """Draws random square crops at a scale between 1/3 and 1 of the image: [count, 3, size, size] in 0..1."""
    crops = [Photo("", rng.choice(images)).square(256, rng) for _ in range(count)]
    windows = []
    for crop in crops:
        top, left = rng.randint(0, 256 - size), rng.randint(0, 256 - size)
        windows.append(crop[top : top + size, left : left + size])
    batch = torch.from_numpy(np.stack(windows)).permute(0, 3, 1, 2).float() / 255
    return batch.to(memory_format=torch.channels_last)


def swap_colors(images: Tensor, share: float, rng: random.Random) -> Tensor:
    """Permutes the colour channels of a share of the images.

    Photos are mostly orange and blue. Without the permutation, early latents do not separate red from pink.
    """
    orders = [rng.sample(range(3), 3) if rng.random() < share else [0, 1, 2] for _ in images]
    return torch.stack([image[order] for image, order in zip(images, orders, strict=True)]).contiguous(
        memory_format=torch.channels_last
    )


def log_error(restored: Tensor, target: Tensor) -> Tensor:
    """Returns the mean over images of ln(MSE + 1e-5); multiplied by -4.34 it is PSNR in dB."""
    return ((restored - target).pow(2).flatten(1).mean(1) + 1e-5).log().mean()


def spread_penalty(latents: Tensor) -> Tensor:
    """Returns the squared distances of each channel's mean from 0 and spread from 1, summed over channels."""
    flat = latents.transpose(0, 1).flatten(1)
    return (flat.mean(1).pow(2) + (flat.std(1) - 1).pow(2)).sum()


@torch.no_grad()
def autoencoder_psnr(model: Autoencoder, size: int = 256) -> float:
    """Returns the mean PSNR in dB on whole test photos at ``size`` x ``size``, 8-bit rounding included."""
    values = []
    for photo in load_photos("test"):
        image = to_tensor(photo.square(size))[None]
        restored = (model.decode(model.encode(image)).clamp(0, 1) * 255).round() / 255
        values.append(-10 * (restored - image).pow(2).mean().log10().item())
    return float(np.mean(values))
