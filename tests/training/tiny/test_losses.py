"""The losses against literal double loops of their formulas, and what they are given."""

import math
import random

import pytest
import torch
from styleroute.training.tiny.lessons import Lesson
from styleroute.training.tiny.train_autoencoder import log_error, spread_penalty
from styleroute.training.tiny.train_styles import _other_of_style, info_nce
from styleroute.training.tiny.train_vision import sigmoid_loss


def test_info_nce_is_the_papers_double_loop() -> None:
    torch.manual_seed(0)
    first, second = torch.randn(6, 5, dtype=torch.float64), torch.randn(6, 5, dtype=torch.float64)
    mine, theirs = torch.tensor([0, 1, 2, 0, 1, 2]), torch.tensor([0, 0, 1, 1, 2, 2])
    losses = []
    for e, label in zip(first, mine, strict=True):
        distance = [(e @ other / (e.norm() * other.norm() * 0.1)).item() for other in second]
        total = sum(math.exp(value) for value in distance)
        positives = [j for j in range(6) if theirs[j] == label]
        losses.append(-sum(math.log(math.exp(distance[j]) / total) for j in positives) / len(positives))
    assert info_nce(first, second, mine, theirs, 0.1).item() == pytest.approx(sum(losses) / 6)


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


def test_a_style_is_shown_by_another_painting_of_it_on_another_scene() -> None:
    places = [(0, 0), (0, 1), (0, 0), (1, 0), (1, 0), (2, 3)]  # style, scene
    paintings = [Lesson("paint", "", "", scene=scene, target=9, style=style) for style, scene in places]
    drawn = {i: {_other_of_style(i, paintings, random.Random(seed)) for seed in range(20)} for i in range(6)}
    # The third is of the first's own scene; the last three have no other scene, and show themselves.
    assert drawn == {0: {1}, 1: {0, 2}, 2: {1}, 3: {3}, 4: {4}, 5: {5}}


def test_info_nce_leaves_out_rows_without_a_match() -> None:
    first, second = torch.eye(3), torch.eye(3)
    labels, others = torch.tensor([0, 1, 2]), torch.tensor([0, 1, 7])
    expected = -math.log(math.exp(1) / (math.exp(1) + 2))
    assert info_nce(first, second, labels, others, 1.0).item() == pytest.approx(expected)
