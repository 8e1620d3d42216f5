"""Mixing of style embeddings: analytic angles and lengths, the ends, and refused weights."""

import math

import pytest
import torch
from styleroute.moe import StyleExpertError
from styleroute.moe.mixing import mix, mix_pair
from torch import Tensor


def on_circle(degrees: float, length: float = 1.0) -> Tensor:
    """A style in a plane of a space of 5 dimensions."""
    angle = math.radians(degrees)
    return length * torch.tensor([math.cos(angle), math.sin(angle), 0, 0, 0])


@pytest.mark.parametrize(("amount", "degrees", "length"), [(0.25, 20, 2.5), (0.5, 40, 3), (0.75, 60, 3.5)])
def test_two_styles_meet_on_their_great_circle_with_the_mean_length(amount: float, degrees: float, length: float):
    mixed = mix_pair(on_circle(0, 2)[None], on_circle(80, 4)[None], amount)
    torch.testing.assert_close(mixed[0], on_circle(degrees, length))


def test_both_ends_are_the_styles_themselves():
    first, second = torch.randn(2, 1, 384)
    assert torch.equal(mix_pair(first, second, 0.0), first)
    assert torch.equal(mix_pair(first, second, 1.0), second)


@pytest.mark.parametrize("amount", [-1.0, -0.3, 1.4, 2.0])
def test_beyond_the_ends_the_direction_is_on_the_straight_line(amount: float):
    first, second = torch.randn(2, 1, 384, generator=torch.Generator().manual_seed(0))
    line = (1 - amount) * first / first.norm() + amount * second / second.norm()
    nearest = first if amount < 0 else second
    torch.testing.assert_close(mix_pair(first, second, amount), line / line.norm() * nearest.norm())


def test_a_mix_is_continuous_at_the_ends():
    first, second = torch.randn(2, 1, 24)
    for end in (0.0, 1.0):
        below, above = (mix_pair(first, second, end + step) for step in (-1e-5, 1e-5))
        torch.testing.assert_close(below, above, atol=1e-3, rtol=0)


def test_only_the_ratios_of_weights_matter_and_zero_leaves_a_style_out():
    styles = torch.randn(3, 24)
    torch.testing.assert_close(mix(styles, (3, 1, 0)), mix(styles[:2], (0.75, 0.25)))
    torch.testing.assert_close(mix(styles[:2], (3, 1)), mix_pair(styles[:1], styles[1:2], 0.25))


def test_three_equal_weights_give_the_centre_whatever_the_order():
    corners = torch.eye(5)[:3] * 3
    expected = torch.tensor([1.0, 1, 1, 0, 0]) * 3 / math.sqrt(3)
    torch.testing.assert_close(mix(corners, (1, 1, 1))[0], expected)
    styles, weights = torch.randn(4, 24), torch.tensor([0.4, 0.3, 0.2, -0.1])
    order = torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(mix(styles, weights.tolist()), mix(styles[order], weights[order].tolist()))


def test_one_style_mixes_with_a_batch():
    one, many = torch.randn(1, 24), torch.randn(3, 24)
    mixed = mix_pair(one, many, 0.3)
    assert mixed.shape == (3, 24)
    for row, style in zip(mixed, many, strict=True):
        torch.testing.assert_close(row[None], mix_pair(one, style[None], 0.3))


def test_equal_styles_stay_the_same():
    style = torch.randn(1, 384)
    torch.testing.assert_close(mix_pair(style, style, 0.5), style)
    torch.testing.assert_close(mix_pair(style, style, -0.5), style)


@pytest.mark.parametrize("weights", [(1, -1), (0, 0), (-1, 0.5), (float("nan"), 1), (float("inf"), 1)])
def test_weights_without_a_positive_sum_are_refused(weights: tuple[float, float]):
    with pytest.raises(StyleExpertError, match="expected finite numbers with a sum above 0"):
        mix(torch.randn(2, 4), weights)


def test_a_weight_is_needed_for_each_style():
    with pytest.raises(StyleExpertError, match="There are 2 weights for 3 styles"):
        mix(torch.randn(3, 4), (1, 1))


def test_opposite_styles_are_refused():
    style = torch.randn(1, 24)
    with pytest.raises(StyleExpertError, match="opposite and cancel each other"):
        mix_pair(style, -style, 0.5)


def test_unusable_styles_are_refused():
    with pytest.raises(StyleExpertError, match="NaN or infinite"):
        mix_pair(torch.full((1, 4), float("nan")), torch.ones(1, 4), 0.5)
    with pytest.raises(StyleExpertError, match=r"shapes \[2, 4\] and \[3, 4\]"):
        mix_pair(torch.ones(2, 4), torch.ones(3, 4), 0.5)
    with pytest.raises(StyleExpertError, match=r"shapes \[1, 4\] and \[1, 5\]"):
        mix_pair(torch.ones(1, 4), torch.ones(1, 5), 0.5)
