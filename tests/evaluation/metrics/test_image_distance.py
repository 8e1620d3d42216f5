import numpy as np
import pytest
from styleroute.evaluation.metrics.image_distance import (
    BETAS,
    colour_distance,
    edge_correlation,
    edge_ssim,
    l1,
    multi_scale_ssim,
)


def flat(value: int) -> np.ndarray:
    return np.full((256, 256, 3), value, dtype=np.uint8)


@pytest.fixture
def squares() -> np.ndarray:
    small = np.random.default_rng(0).integers(60, 200, (16, 16, 3), dtype=np.uint8)
    return np.kron(small, np.ones((16, 16, 1), np.uint8))


def test_equal_images_have_no_distance(squares) -> None:
    assert multi_scale_ssim(squares, squares) == pytest.approx(1, abs=1e-5)
    assert edge_ssim(squares, squares) == pytest.approx(1)
    assert l1(squares, squares) == 0


def test_l1_is_a_fraction_of_the_whole_range() -> None:
    assert l1(flat(51), flat(102)) == pytest.approx(0.2)


def test_flat_images_differ_only_in_the_luminance_of_the_last_scale() -> None:
    first, second, c1 = 0.2, 0.6, 0.01**2
    luminance = (2 * first * second + c1) / (first**2 + second**2 + c1)
    assert multi_scale_ssim(flat(51), flat(153)) == pytest.approx(luminance ** BETAS[-1], abs=1e-3)


def test_edges_do_not_depend_on_brightness_but_on_shapes(squares) -> None:
    assert edge_ssim(squares, squares + 40) == pytest.approx(1, abs=1e-3)
    assert edge_ssim(squares, flat(128)) < 0.9
    assert edge_ssim(squares, squares[::-1]) < edge_ssim(squares, squares + 40)


def test_the_edge_correlation_ignores_the_strength_of_edges(squares) -> None:
    stronger = (squares.astype(int) - 130).clip(-127, 127) // 2 + 128
    assert edge_correlation(squares, stronger.astype(np.uint8)) > 0.98
    assert abs(edge_correlation(squares, np.roll(squares, 8, (0, 1)))) < 0.3
    assert edge_correlation(squares, flat(128)) == 0


def test_the_colour_distance_compares_palettes_and_no_places(squares) -> None:
    assert colour_distance(squares, squares[::-1]) == pytest.approx(0, abs=1e-3)
    assert colour_distance(flat(0), flat(255)) == pytest.approx(100, abs=0.1)  # the lightness of black and white
