"""Focus and Cover loss against known values: constant, perfect and collapsed maps."""

import math
from dataclasses import replace
from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from styleroute.attention import PRESETS, AttentionError, cover_loss, focus_loss
from torch import Tensor

SIDE, KEYS = 16, 8704
"""Cells of a 16 x 16 map; and keys of a 1024 x 1024 image with its reference, over which real attention is spread."""
CELLS = SIDE * SIDE
FRACTION = 0.25
INSIDE = int(CELLS * FRACTION)
PAPER, RELEASE = PRESETS["paper"], PRESETS["release"]


def mask() -> Tensor:
    """Mask [1, 1, h, w] of an object on a quarter of the image."""
    mask = torch.zeros(1, 1, SIDE, SIDE)
    mask[..., : SIDE // 2, : SIDE // 2] = 1
    return mask


def scene(name: str, level: float = 1 / KEYS) -> Tensor:
    """Maps [1, 1, h, w] whose mean is `level`."""
    point = torch.zeros(1, 1, SIDE, SIDE)
    point[..., 3, 4] = 1
    outside = (1 - mask()) / (1 - FRACTION)
    shapes = {
        "even": torch.ones(1, 1, SIDE, SIDE),
        "perfect": mask() / FRACTION,
        "collapsed": point * CELLS,
        "outside": outside,
        "untrained": 1 + 0.3 * torch.randn(1, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(0)),
    }
    return shapes[name].clamp_min(0) * level


def softplus(x: float) -> float:
    return math.log1p(math.exp(x))


def kl(p: Tensor, q: Tensor) -> float:
    p, q = p.double().flatten(), q.double().flatten()
    return float(torch.special.xlogy(p, p / q).sum())


def target(epsilon: float) -> Tensor:
    return (1 - epsilon) * mask().double() / INSIDE + epsilon / CELLS


@pytest.mark.parametrize("level", [1 / KEYS, 1 / 589, 1.0])
def test_paper_focus_of_known_maps(level):
    """The loss is KL(softmax(M / tau) || norm(mask)), with M in units of its mean."""
    found = {
        name: focus_loss(scene(name, level), mask()).item() for name in ("even", "perfect", "collapsed", "outside")
    }
    e = PAPER.epsilon
    inside, outside = (1 - e) / INSIDE + e / CELLS, e / CELLS
    even = FRACTION * math.log(1 / CELLS / inside) + (1 - FRACTION) * math.log(1 / CELLS / outside)
    assert found["even"] == pytest.approx(even, rel=1e-4)
    # 1 / FRACTION inside and 0 outside: so this share of the softmax is outside.
    leak = 1 / (1 + FRACTION / (1 - FRACTION) * math.exp(1 / FRACTION / PAPER.tau))
    perfect = (1 - leak) * math.log((1 - leak) / INSIDE / inside) + leak * math.log(leak / (CELLS - INSIDE) / outside)
    assert found["perfect"] == pytest.approx(perfect, abs=1e-5) == pytest.approx(0, abs=2e-3)
    assert found["collapsed"] == pytest.approx(math.log(1 / inside), rel=1e-4)  # log of the object's cells
    assert found["outside"] == pytest.approx(math.log(1 / (CELLS - INSIDE) / outside), rel=1e-1)
    assert found["perfect"] < found["collapsed"] < found["even"] < found["outside"]


@pytest.mark.parametrize("level", [1 / KEYS, 1 / 589, 1.0])
def test_paper_cover_of_known_maps(level):
    """The loss is the mean of BCE_logits(alpha M, mask), with M in units of its mean."""
    found = {
        name: cover_loss(scene(name, level), mask()).item() for name in ("even", "perfect", "collapsed", "outside")
    }
    alpha, rest = PAPER.alpha, 1 - FRACTION
    assert found["even"] == pytest.approx(FRACTION * softplus(-alpha) + rest * softplus(alpha), rel=1e-5)
    perfect = FRACTION * softplus(-alpha / FRACTION) + rest * math.log(2)
    assert found["perfect"] == pytest.approx(perfect, rel=1e-5)
    assert found["collapsed"] == pytest.approx((CELLS - 1) / CELLS * math.log(2), rel=1e-5)
    assert found["outside"] == pytest.approx(FRACTION * math.log(2) + rest * softplus(alpha / rest), rel=1e-5)
    assert found["perfect"] < found["collapsed"] < found["even"] < found["outside"]


def gradient(loss, maps: Tensor, preset) -> Tensor:
    maps = maps.clone().requires_grad_()
    loss(maps, mask(), preset=preset).backward()
    return maps.grad.flatten()


def test_cover_penalises_the_collapse_that_focus_ignores():
    """All attention is on one cell of the object: Focus has no gradient, but Cover raises the object's other cells."""
    collapsed, untrained = scene("collapsed"), scene("untrained")
    object_cells = mask().flatten().bool() & (collapsed.flatten() == 0)
    focus, cover = gradient(focus_loss, collapsed, PAPER), gradient(cover_loss, collapsed, PAPER)
    usual = gradient(focus_loss, untrained, PAPER).abs().mean()
    assert focus.abs().max() < 1e-6 * usual
    expected = -PAPER.alpha * 0.5 / CELLS * KEYS  # d BCE_logits / dM at M = 0
    assert torch.allclose(cover[object_cells], torch.tensor(expected), rtol=1e-4)
    assert bool((cover[~mask().flatten().bool()] > 0).all())


@pytest.mark.parametrize("fraction", [1 / 16, 1 / 4, 9 / 16])
def test_descent_on_a_free_map(fraction):
    """Both losses together fill the object evenly, and the map's mean neither vanishes nor diverges."""
    masks = torch.zeros(1, 1, SIDE, SIDE)
    masks[..., : int(SIDE * fraction**0.5), : int(SIDE * fraction**0.5)] = 1
    logits = scene("untrained", 1.0).clamp_min(0.1).log().requires_grad_()
    optimizer = torch.optim.Adam([logits], lr=0.03)
    for _ in range(400):
        optimizer.zero_grad()
        maps = logits.exp() / (logits.exp() + KEYS)
        (PAPER.focus_weight * focus_loss(maps, masks) + PAPER.cover_weight * cover_loss(maps, masks)).backward()
        optimizer.step()
    inside = maps[masks.bool()]
    assert inside.sum() / maps.sum() > 0.9
    assert inside.std() < 0.1 * inside.mean()
    assert 0.1 < maps.mean() * KEYS < 8


@pytest.mark.parametrize("loss", [focus_loss, cover_loss])
@pytest.mark.parametrize("name", ["even", "untrained", "perfect"])
def test_no_loss_of_the_paper_lowers_the_whole_map(loss, name):
    """Most cells lie outside: otherwise a map that does not find the object yet would vanish instead of moving."""
    level = torch.zeros((), requires_grad=True)
    value = loss(scene(name) * level.exp(), mask())
    value.backward()
    assert abs(level.grad) < 1e-5 * value
    torch.testing.assert_close(loss(scene(name) * 0.01, mask()), loss(scene(name), mask()))


@pytest.mark.parametrize("name", ["untrained", "even"])
@pytest.mark.parametrize("level", [1 / KEYS, 1 / 589])
def test_paper_has_a_gradient_in_every_cell_at_real_magnitudes(name, level):
    for loss in (focus_loss, cover_loss):
        moved = gradient(loss, scene(name, level), PAPER) * level  # change of the loss per mean
        assert moved.abs().min() > 1e-5, loss
        assert moved[mask().flatten().bool()].mean() < 0 < moved[~mask().flatten().bool()].mean()


def test_absolute_units_cannot_distinguish_real_maps():
    """This is why the paper's preset uses units of the map's mean."""
    absolute = replace(PAPER, tau=0.1, relative=False)
    perfect, even = (focus_loss(scene(name), mask(), preset=absolute) for name in ("perfect", "even"))
    assert abs(perfect - even) < 0.02 * even


def test_release_focus_of_known_maps():
    """The loss is KL(norm(mask) || softmax(M / 0.1)), without units; M is a softmax over the style's tokens, 0 to 1."""
    names = ("even", "perfect", "collapsed")
    found = {name: focus_loss(scene(name, level=0.25), mask(), preset="release").item() for name in names}
    q = target(RELEASE.epsilon)
    for name in names:
        expected = kl(q, (scene(name, level=0.25).double() / 0.1).flatten(-2).softmax(dim=-1))
        assert found[name] == pytest.approx(expected, rel=1e-4, abs=1e-5)
    assert found["even"] == pytest.approx(math.log(CELLS / INSIDE), rel=1e-2)
    assert found["perfect"] < found["even"] < found["collapsed"]  # this direction penalises the collapse


def test_release_cover_of_known_maps():
    found = {name: cover_loss(scene(name, level=0.25), mask(), preset="release").item() for name in ("even", "perfect")}
    assert found["even"] == pytest.approx(FRACTION * softplus(-0.5) + (1 - FRACTION) * softplus(0.5), rel=1e-5)
    assert found["perfect"] == pytest.approx(FRACTION * softplus(-2.0) + (1 - FRACTION) * math.log(2), rel=1e-5)


def test_presets_equal_the_table():
    assert (PAPER.slice, PAPER.direction, PAPER.over_spans) == ("all", "map||mask", "sum")
    assert (PAPER.focus_weight, PAPER.cover_weight) == (0.1, 0.2)
    assert (RELEASE.slice, RELEASE.direction, RELEASE.over_spans) == ("span", "mask||map", "mean")
    assert (RELEASE.tau, RELEASE.alpha) == (0.1, 2.0)
    assert (RELEASE.focus_weight, RELEASE.cover_weight) == (0.1, 5e-5)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(1, 6),
    st.integers(1, 7),
    st.integers(0, 999),
    st.sampled_from(list(PRESETS)),
)
def test_any_maps_and_masks(batch, spans, height, width, seed, preset):
    generator = torch.Generator().manual_seed(seed)
    maps = torch.rand(batch, spans, height, width, generator=generator, requires_grad=True)
    masks = torch.rand(batch, spans, height, width, generator=generator)
    masks[0, 0, 0, 0] = 1.0
    for loss in (focus_loss, cover_loss):
        value = loss(maps, masks, preset=preset)
        assert value.shape == ()
        assert value.isfinite()
        assert value >= -1e-6
        assert torch.allclose(value, loss(maps.flatten(2), masks.flatten(2), preset=preset))
        assert torch.allclose(value, loss(maps, masks.flatten(2), preset=preset))
        assert torch.autograd.grad(value, maps)[0].isfinite().all()
        each = [
            [loss(maps[b : b + 1, s : s + 1], masks[b : b + 1, s : s + 1], preset=preset) for s in range(spans)]
            for b in range(batch)
        ]
        total = torch.stack([value for row in each for value in row]).sum()
        assert torch.allclose(value, total / (batch if preset == "paper" else batch * spans), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("loss", [focus_loss, cover_loss])
def test_spans_without_an_object_do_not_count(loss, preset):
    maps, masks = torch.rand(1, 2, SIDE, SIDE), torch.cat([mask(), torch.zeros(1, 1, SIDE, SIDE)], dim=1)
    assert torch.allclose(loss(maps, masks, preset=preset), loss(maps[:, :1], mask(), preset=preset))
    with pytest.raises(AttentionError, match="Every mask is empty"):
        loss(maps, torch.zeros_like(masks), preset=preset)


@pytest.mark.parametrize("loss", [focus_loss, cover_loss])
def test_half_precision_maps_are_compared_in_float32(loss):
    maps = scene("untrained").bfloat16()
    assert loss(maps, mask().bool()).dtype == torch.float32
    assert torch.allclose(loss(maps, mask()), loss(maps.float(), mask()))


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("loss", [focus_loss, cover_loss])
def test_map_of_zeros_is_finite(loss, preset):
    maps = torch.zeros(1, 1, SIDE, SIDE, requires_grad=True)
    value = loss(maps, mask(), preset=preset)
    assert value.isfinite()
    assert torch.autograd.grad(value, maps)[0].isfinite().all()


@pytest.mark.parametrize(("loss", "preset"), list(product([focus_loss, cover_loss], [PAPER, RELEASE])))
def test_gradcheck(loss, preset):
    maps = torch.rand(2, 2, 3, 4, dtype=torch.float64, requires_grad=True)
    masks = (torch.rand(2, 2, 3, 4, dtype=torch.float64) > 0.4).double()
    masks[..., 0, 0] = 1
    assert torch.autograd.gradcheck(lambda maps: loss(maps, masks, preset=preset), (maps,))


def test_focus_of_the_paper_does_not_move_the_mean():
    maps = scene("untrained")
    assert abs((gradient(focus_loss, maps, PAPER) * maps.flatten()).sum()) < 1e-5


@pytest.mark.parametrize(
    ("maps", "masks"),
    [((1, 2, 4, 4), (1, 1, 4, 4)), ((1, 2, 16), (1, 2, 15)), ((2, 16), (2, 16)), ((1, 1, 4, 4), (2, 1, 4, 4))],
)
@pytest.mark.parametrize("loss", [focus_loss, cover_loss])
def test_sizes_that_do_not_fit(loss, maps, masks):
    with pytest.raises(AttentionError, match="differ in size"):
        loss(torch.ones(maps), torch.ones(masks))


def test_unknown_choices():
    with pytest.raises(AttentionError, match=r"preset 'thesis', expected paper or release"):
        focus_loss(scene("even"), mask(), preset="thesis")
    with pytest.raises(AttentionError, match="above 0"):
        replace(PAPER, tau=0.0)
