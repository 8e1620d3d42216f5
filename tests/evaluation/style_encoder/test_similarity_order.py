"""The similarity order with known answers."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from styleroute.evaluation.style_encoder.similarity_order import (
    PER_STYLE,
    rank_correlation,
    sample_images,
    style_means,
    style_vectors,
)
from styleroute.training.style_encoder.examples import StyleExamples
from styleroute.training.style_encoder.images import StyleImage

UNSEEN, KNOWN = torch.tensor([7, 7]), torch.tensor([0, 0, 1, 2])


def at(*degrees: float) -> torch.Tensor:
    angles = torch.tensor(degrees).deg2rad()
    return torch.stack([angles.cos(), angles.sin()], dim=1)


def test_the_same_order_of_distances_is_1_and_the_reversed_one_minus_1() -> None:
    unseen, known = at(-5, 5), at(10, 10, 40, 90)
    labels = UNSEEN, KNOWN
    assert rank_correlation((unseen, unseen), (known, at(1, 3, 4, 5)), labels) == pytest.approx(1)
    assert rank_correlation((unseen, unseen), (known, at(90, 90, 40, 10)), labels) == pytest.approx(-1)


def test_equal_distances_have_no_order() -> None:
    assert rank_correlation((at(0, 0), at(0, 0)), (at(10, 20, 30, 40), at(9, 9, 9, 9)), (UNSEEN, KNOWN)) is None


def test_a_style_is_the_mean_of_its_images() -> None:
    means = style_means(at(0, 90, 30), torch.tensor([1, 1, 4]))
    torch.testing.assert_close(means, at(45, 30).double(), rtol=1e-5, atol=1e-5)


def test_the_first_images_represent_a_style() -> None:
    images = [StyleImage(Path(f"{number}.png"), "ab"[number % 2], number % 2, str(number)) for number in range(9)]
    sample = sample_images(StyleExamples(images, None, ""))
    assert [image.path.stem for image in sample.images] == ["0", "1", "2", "3"]
    assert PER_STYLE == 2


def test_the_network_gets_squares_of_256_pixels(tmp_path: Path) -> None:
    Image.new("RGB", (40, 20), (200, 10, 10)).save(tmp_path / "a.png")
    seen = []

    def network(image: np.ndarray) -> np.ndarray:
        seen.append(image)
        return image.mean((0, 1))

    vectors = style_vectors(StyleExamples([StyleImage(tmp_path / "a.png", "a", 0, "x")], None, ""), network)
    assert seen[0].shape == (256, 256, 3)
    torch.testing.assert_close(vectors, torch.tensor([[200.0, 10.0, 10.0]], dtype=torch.float64))
