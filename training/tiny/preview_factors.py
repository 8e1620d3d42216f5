"""Fits the colours of ComfyUI's live preview, which shows latents through one linear map ("latent2rgb")."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torchvision.transforms.functional import to_tensor

from .autoencoder import Autoencoder

METADATA_KEY = "latent_preview"
"""Name of the factors in the metadata of ``vae.safetensors``. The demo's node pack reads them there."""

LATENT_PIXEL = 8
"""Side of a latent pixel, in pixels of the image."""

LARGEST_SIDE = 256
"""Largest side in pixels of the part of an image that the fit uses."""


@dataclass(frozen=True)
class PreviewFactors:
    """A linear map of latents to colours in -1..1, as in ComfyUI's latent formats.

    Attributes:
        factors: [16, 3], the share of each latent channel in red, green and blue.
        bias: [3], the colour of a latent pixel of zeros.
    """

    factors: Tensor
    bias: Tensor

    def show(self, latents: Tensor) -> Tensor:
        """Returns the preview [B, 3, h, w] in 0..1 of latents [B, 16, h, w]."""
        colours = torch.einsum("bchw,cr->brhw", latents, self.factors) + self.bias.view(3, 1, 1)
        return (colours / 2 + 0.5).clamp(0, 1)

    def metadata(self) -> dict[str, str]:
        """Returns the entry for the metadata of a safetensors file, with ComfyUI's names of both parts."""
        digits = 4
        entry = {
            "latent_rgb_factors": [[round(value, digits) for value in row] for row in self.factors.tolist()],
            "latent_rgb_factors_bias": [round(value, digits) for value in self.bias.tolist()],
        }
        return {METADATA_KEY: json.dumps(entry)}


@torch.no_grad()
def fit_preview(model: Autoencoder, images: Iterable[np.ndarray]) -> PreviewFactors:
    """Fits the factors by least squares: the latents of images, to the images reduced to the size of their latents.

    Args:
        images: uint8 [H, W, 3] each, such as the photos of the training. The middle part of each is used.
    """
    latents, colours = list[Tensor](), list[Tensor]()
    for image in images:
        pixels = to_tensor(_middle(image))[None]
        latents.append(_rows(model.encode(pixels).float()))
        colours.append(_rows(reduce_to_latents(pixels) * 2 - 1))
    inputs = torch.cat(latents).double()
    inputs = torch.cat([inputs, torch.ones(len(inputs), 1, dtype=inputs.dtype)], dim=1)
    solution = torch.linalg.lstsq(inputs, torch.cat(colours).double()).solution.float()
    return PreviewFactors(solution[:-1], solution[-1])


def reduce_to_latents(images: Tensor) -> Tensor:
    """Reduces images [B, 3, H, W] to the size of their latents, [B, 3, H/8, W/8]: the mean of 8 x 8 pixels."""
    return functional.avg_pool2d(images, LATENT_PIXEL)


def _middle(image: np.ndarray) -> np.ndarray:
    """The middle of an image; its sides are multiples of 8 and at most `LARGEST_SIDE` pixels."""
    rows, columns = (min(side, LARGEST_SIDE) // LATENT_PIXEL * LATENT_PIXEL for side in image.shape[:2])
    top, left = (image.shape[0] - rows) // 2, (image.shape[1] - columns) // 2
    return image[top : top + rows, left : left + columns]


def _rows(images: Tensor) -> Tensor:
    """[B, C, h, w] -> [B h w, C]."""
    return images.permute(0, 2, 3, 1).flatten(0, 2)
