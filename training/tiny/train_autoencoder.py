"""Stage 1 of the small Kontext: trains the autoencoder on random crops of photos."""

import random
from collections.abc import Iterable

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.functional import to_tensor

from ...dataset.photos import Photo
from ...dataset.teacher import TRAIN_STYLES, stylise
from ...progress import track
from .autoencoder import Autoencoder
from .optimizer import build_optimizer
from .options import AutoencoderConfig
from .stage import Stage, StageTrainer


def train_autoencoder(
    stage: Stage, config: AutoencoderConfig, images: list[np.ndarray], start: Autoencoder | None = None
) -> Autoencoder:
    """Trains on ``images`` (each uint8 [H, W, 3]), from the stage's checkpoint or from ``start``.

    The loss is the mean logarithm of each image's squared error, which is proportional to PSNR, so that no difficult
    image dominates. The same error of the edges keeps contours sharp. A small penalty keeps the latents near mean 0 and
    spread 1, as the transformer's noise schedule expects.
    """
    model = (start or Autoencoder()).to(memory_format=torch.channels_last)
    if config.decoder_only:
        model.taesd_encoder.requires_grad_(False)
    optimizer = build_optimizer(model, config.matrix_rate, config.rate)

    def loss_of(step: int) -> Tensor:
        return autoencoder_loss(model, _batch(images, config, random.Random(step)), config)

    StageTrainer(stage, model, optimizer, loss_of).train()
    return model.eval()


def autoencoder_images(photos: list[Photo], stylised: int = 120) -> list[np.ndarray]:
    """Returns the photos and a number of stylised photos, uint8 [H, W, 3] each: strokes are part of what is encoded."""
    rng = random.Random(0)
    chosen = [(rng.choice(photos), rng.choice(TRAIN_STYLES)) for _ in range(stylised)]
    styled = (stylise(photo.pixels, style) for photo, style in chosen)
    return [*(photo.pixels for photo in photos), *track(styled, "stylised photos", stylised)]


def autoencoder_loss(model: Autoencoder, batch: Tensor, config: AutoencoderConfig) -> Tensor:
    """Returns the loss on images [B, 3, S, S] in 0..1."""
    latents = model.encode(batch)
    restored = model.decode(latents.detach() if config.decoder_only else latents).float()
    error = log_error(restored, batch) + config.edge_weight * log_error(edges(restored), edges(batch))
    return error if config.decoder_only else error + 0.02 * spread_penalty(latents.float())


def _batch(images: list[np.ndarray], config: AutoencoderConfig, rng: random.Random) -> Tensor:
    return swap_colors(random_crops(images, config.batch, config.crop, rng), config.swapped, rng)


def random_crops(images: list[np.ndarray], count: int, size: int, rng: random.Random) -> Tensor:
    """Draws random square crops, reduced by up to a half: [count, 3, size, size] in 0..1.

    Only an image with a side below ``size`` is enlarged.
    """
    crops = [_random_crop(rng.choice(images), size, rng) for _ in range(count)]
    batch = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float() / 255
    return batch.to(memory_format=torch.channels_last)


def _random_crop(image: np.ndarray, size: int, rng: random.Random) -> np.ndarray:
    side = min(rng.randint(size, 2 * size), *image.shape[:2])
    top, left = rng.randint(0, image.shape[0] - side), rng.randint(0, image.shape[1] - side)
    crop = Image.fromarray(image[top : top + side, left : left + side])
    return np.asarray(crop.resize((size, size), Image.Resampling.BICUBIC))


def swap_colors(images: Tensor, share: float, rng: random.Random) -> Tensor:
    """Permutes the colour channels of a share of the images.

    Photos are mostly orange and blue. Without the permutation, early latents do not separate red from pink.
    """
    orders = [rng.sample(range(3), 3) if rng.random() < share else [0, 1, 2] for _ in images]
    return torch.stack([image[order] for image, order in zip(images, orders, strict=True)]).contiguous(
        memory_format=torch.channels_last
    )


def edges(images: Tensor) -> Tensor:
    """Differences of neighbouring pixels to the right and downwards: [B, 3, H, W] -> [B, 6, H - 1, W - 1]."""
    corner = images[..., :-1, :-1]
    return torch.cat([images[..., :-1, 1:] - corner, images[..., 1:, :-1] - corner], dim=1)


def log_error(restored: Tensor, target: Tensor) -> Tensor:
    """Returns the mean over images of ln(MSE + 1e-5); multiplied by -4.34 it is PSNR in dB."""
    return ((restored - target).pow(2).flatten(1).mean(1) + 1e-5).log().mean()


def spread_penalty(latents: Tensor) -> Tensor:
    """Returns the squared distances of each channel's mean from 0 and spread from 1, summed over channels."""
    flat = latents.transpose(0, 1).flatten(1)
    return (flat.mean(1).pow(2) + (flat.std(1) - 1).pow(2)).sum()


@torch.no_grad()
def autoencoder_psnr(model: Autoencoder, photos: Iterable[Photo], size: tuple[int, int]) -> float:
    """Returns the mean PSNR in dB on the middles of photos at ``size`` (height, width), 8-bit rounding included."""
    values = []
    for photo in photos:
        image = to_tensor(photo.crop(size))[None]
        restored = (model.decode(model.encode(image)).clamp(0, 1) * 255).round() / 255
        values.append(-10 * (restored - image).pow(2).mean().log10().item())
    return float(np.mean(values))
