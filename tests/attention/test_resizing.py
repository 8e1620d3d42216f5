"""Resized maps: equal means, odd sizes, known values."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from styleroute.attention import AttentionError, resize
from styleroute.attention.resizing import blur
from torch.nn import functional as F

side = st.integers(1, 40)


@settings(max_examples=150, deadline=None)
@given(side, side, side, side, st.integers(0, 999))
def test_keeps_the_mean_and_the_range(height, width, new_height, new_width, seed):
    maps = torch.rand(2, 3, height, width, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    new = resize(maps, (new_height, new_width))
    assert new.shape == (2, 3, new_height, new_width)
    assert torch.allclose(new.mean(dim=(-2, -1)), maps.mean(dim=(-2, -1)), rtol=1e-12)
    assert bool((new.amax(dim=(-2, -1)) <= maps.amax(dim=(-2, -1)) + 1e-12).all())
    assert bool((new.amin(dim=(-2, -1)) >= maps.amin(dim=(-2, -1)) - 1e-12).all())


def test_same_size_is_the_same_map():
    maps = torch.rand(5, 7)
    assert torch.allclose(resize(maps, (5, 7)), maps, atol=1e-7)


@pytest.mark.parametrize("size", [(4, 4), (8, 2), (1, 1)])
def test_whole_factors_down_are_plain_means(size):
    maps = torch.rand(1, 1, 16, 16)
    assert torch.allclose(resize(maps, size), F.adaptive_avg_pool2d(maps, size), atol=1e-6)


def test_odd_sizes_down_are_means_of_areas():
    """From 3 cells to 2, each new cell covers one outer cell and half of the middle cell."""
    assert torch.allclose(resize(torch.tensor([[3.0, 6.0, 12.0]]), (1, 2)), torch.tensor([[4.0, 10.0]]))


def test_upsampling_averages_linear_interpolation():
    """A ramp stays a ramp, except at the borders, where the outermost cells continue."""
    ramp = torch.arange(8.0).expand(3, 8)
    new = resize(ramp, (3, 40))
    expected = (torch.arange(40) + 0.5) / 5 - 0.5
    assert torch.allclose(new[1, 3:-3], expected[3:-3], atol=1e-5)
    assert bool((new.diff(dim=1) >= -1e-6).all())


def test_object_keeps_its_position():
    maps = torch.zeros(16, 16)
    maps[4:8, 10:14] = 1
    new = resize(maps, (33, 51))
    rows, columns = (new.sum(dim=axis) for axis in (1, 0))
    assert (rows * (torch.arange(33) + 0.5)).sum() / rows.sum() / 33 == pytest.approx(6 / 16, rel=1e-3)
    assert (columns * (torch.arange(51) + 0.5)).sum() / columns.sum() / 51 == pytest.approx(12 / 16, rel=1e-3)


def test_is_differentiable_and_keeps_dtype():
    maps = torch.rand(4, 4, requires_grad=True)
    resize(maps, (7, 3)).mean().backward()
    assert torch.allclose(maps.grad, torch.full((4, 4), 1 / 16))
    assert resize(torch.rand(4, 4).bfloat16(), (3, 3)).dtype == torch.bfloat16


@pytest.mark.parametrize("size", [(0, 4), (4, -1)])
def test_sizes_below_1_are_refused(size):
    with pytest.raises(AttentionError, match="at least 1 x 1"):
        resize(torch.rand(4, 4), size)


def test_blur_keeps_a_constant_map_and_softens_a_point():
    assert torch.allclose(blur(torch.ones(5, 7), 2.0), torch.ones(5, 7))
    point = torch.zeros(9, 9)
    point[4, 4] = 1
    soft = blur(point, 1.0)
    assert soft[4, 4] == soft.max() < 0.2
    assert soft[4, 5] / soft[4, 4] == pytest.approx(0.6065, rel=1e-3)  # exp(-1 / 2)
    assert torch.equal(blur(point, 0), point)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.bool, torch.int64])
def test_integer_masks_are_averaged(dtype):
    mask = torch.tensor([[1, 0], [0, 0]]).to(dtype)
    assert resize(mask, (1, 1)).item() == pytest.approx(0.25)
