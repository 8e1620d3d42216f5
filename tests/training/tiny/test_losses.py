"""The losses against literal double loops of their formulas, and what they are given."""

import math

import pytest
import torch
from styleroute.training.tiny.train_autoencoder import log_error, spread_penalty
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
