"""The losses against literal double loops of their formulas, and what they are given."""

import math
import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from styleroute.dataset.photos import Photo
from styleroute.training.tiny.train_autoencoder import (
    autoencoder_psnr,
    edges,
    log_error,
    random_crops,
    spread_penalty,
)
from styleroute.training.tiny.train_vision import sigmoid_loss


def test_sigmoid_loss_takes_equal_captions_for_matches() -> None:
    logits = torch.randn(3, 3, dtype=torch.float64)
    captions = ["a cat", "a dog", "a cat"]
    total = 0.0
    for i in range(3):
        for j in range(3):
            sign = 1 if captions[i] == captions[j] else -1
            total -= math.log(1 / (1 + math.exp(-sign * logits[i, j].item())))
    assert sigmoid_loss(logits, captions).item() == pytest.approx(total / 3)


def test_log_error_is_psnr() -> None:
    target = torch.zeros(1, 3, 4, 4)
    assert -10 / math.log(10) * log_error(target + 0.1, target).item() == pytest.approx(20, abs=0.01)


def test_spread_penalty_is_zero_for_unit_spread() -> None:
    latents = torch.randn(64, 16, 32, 32, generator=torch.Generator().manual_seed(0))
    assert spread_penalty(latents).item() < 1e-2
    assert spread_penalty(latents * 3).item() > 50


def test_edges_are_differences_of_neighbours() -> None:
    image = torch.rand(2, 3, 5, 7)
    found = edges(image)
    assert found.shape == (2, 6, 4, 6)
    torch.testing.assert_close(found[:, :3], image[..., :4, 1:] - image[..., :4, :6])
    torch.testing.assert_close(found[:, 3:], image[..., 1:, :6] - image[..., :4, :6])


def test_crops_are_reduced_but_not_enlarged() -> None:
    """On a ramp of one step per pixel, a crop's range is its side before it is reduced."""
    ramp = np.repeat(np.arange(200, dtype=np.uint8)[None, :, None], 150, 0).repeat(3, 2)
    sides = [float(np.ptp(crop.numpy()) * 255) for crop in random_crops([ramp], 40, 64, random.Random(0))]
    assert 62 <= min(sides) < 75
    assert 115 < max(sides) <= 128


def test_crops_of_an_image_smaller_than_twice_the_crop() -> None:
    crops = random_crops([np.zeros((70, 90, 3), dtype=np.uint8)], 8, 64, random.Random(0))
    assert crops.shape == (8, 3, 64, 64)


def test_the_psnr_of_an_autoencoder_is_measured_at_the_size(photo) -> None:
    """This autoencoder adds 0.1, so its PSNR is 20 dB, less what the rounding to 8 bits adds."""
    seen = []

    def encode(images: torch.Tensor) -> torch.Tensor:
        seen.append(tuple(images.shape))
        return images

    model = SimpleNamespace(encode=encode, decode=lambda latents: latents + 0.1)
    dark = Photo("dark", photo.pixels // 2)
    assert autoencoder_psnr(model, [dark, dark], (96, 160)) == pytest.approx(20, abs=0.05)
    assert seen == [(1, 3, 96, 160)] * 2
