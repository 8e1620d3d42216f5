"""Heat maps, Otsu's threshold and soft masks."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from styleroute.attention import AttentionError, confidence, contrast, heat_map, soft_mask
from styleroute.attention.heat import otsu

threshold_otsu = pytest.importorskip("skimage.filters").threshold_otsu


def blob(height=16, width=16, level=1.0, floor=0.0):
    """A disc in the upper left quarter."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return floor + level * ((rows - 5) ** 2 + (columns - 5) ** 2 <= 12).float()


def test_heat_map_reaches_from_0_to_1_in_each_map():
    maps = torch.rand(2, 3, 5, 7) * torch.rand(2, 3, 1, 1) / 8704
    heat = heat_map(maps)
    assert heat.shape == maps.shape
    assert torch.equal(heat.amin(dim=(-2, -1)), torch.zeros(2, 3))
    assert torch.allclose(heat.amax(dim=(-2, -1)), torch.ones(2, 3))
    assert torch.equal(heat.flatten(-2).argsort(), maps.flatten(-2).argsort())


def test_constant_map_has_no_heat_no_mask_and_no_contrast():
    even = torch.full((4, 5), 1 / 8704)
    assert not heat_map(even).any()
    assert not soft_mask(heat_map(even)).any()
    assert contrast(even) == 0


levels = st_numpy.arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12)))


@settings(max_examples=200, deadline=None)
@given(levels)
def test_otsu_agrees_with_scikit_image(image):
    values = torch.from_numpy(image).float()
    above = values > otsu(values)
    if image.min() == image.max():
        assert not above.any()
        return
    # Several thresholds may be equally good, so the variance between the groups is compared.
    assert between(values, above) == pytest.approx(between(values, values > int(threshold_otsu(image))), rel=1e-9)


def between(values, above):
    inside, outside = values[above].double(), values[~above].double()
    if not len(inside) or not len(outside):
        return 0.0
    return float(len(inside) * len(outside) * (inside.mean() - outside.mean()) ** 2)


def test_otsu_of_a_batch_equals_single_maps():
    maps = torch.rand(2, 3, 6, 5)
    assert torch.equal(otsu(maps)[1, 2], otsu(maps[1, 2]))
    assert otsu(maps).shape == (2, 3)


@pytest.mark.parametrize("smoothing", [0, 1.0])
def test_mask_of_a_clear_object(smoothing):
    truth = blob()
    noise = 0.1 * torch.rand(16, 16, generator=torch.Generator().manual_seed(0))
    mask = soft_mask(heat_map(truth + noise), smoothing=smoothing)
    found = mask > 0.5
    assert (found & truth.bool()).sum() / (found | truth.bool()).sum() > 0.85
    assert bool(((mask >= 0) & (mask <= 1)).all())
    if not smoothing:
        assert torch.equal(mask, truth)
    else:
        assert ((mask > 0.05) & (mask < 0.95)).any()


@pytest.mark.parametrize("side", [1, 2, 3, 5])
def test_a_small_object_is_1_and_its_edge_lies_outside(side):
    heat = torch.zeros(16, 16)
    heat[6 : 6 + side, 4 : 4 + side] = 1
    mask = soft_mask(heat, 1 - side**2 / 256, smoothing=0.4)
    assert torch.equal(mask >= 1, heat.bool())
    assert bool((mask[heat == 0] <= 0.5).all())


@pytest.mark.parametrize("quantile", [0.7, 0.8, 1.0])
def test_quantile_of_equal_cells_keeps_the_strongest(quantile):
    heat = torch.zeros(2, 16, 16)
    heat[0, :8, :8] = 1
    mask = soft_mask(heat, quantile, smoothing=0)
    assert torch.equal(mask, heat)


@pytest.mark.parametrize(("quantile", "kept"), [(0.0, 99), (0.5, 49), (0.8, 20), (0.95, 5), (1.0, 1)])
def test_quantile_keeps_exactly_that_many_cells(quantile, kept):
    heat = torch.randperm(100).reshape(10, 10) / 99
    assert soft_mask(heat, quantile, smoothing=0).sum() == kept


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.floats(0, 1), st.integers(0, 99))
def test_quantile_keeps_the_cells_above_numpys_quantile(height, width, quantile, seed):
    heat = torch.rand(height, width, generator=torch.Generator().manual_seed(seed))
    level = np.quantile(heat.numpy(), quantile, method="nearest")
    strongest = (heat == heat.max()) & (heat > heat.min())  # always kept, unless the map is constant
    assert torch.equal(soft_mask(heat, quantile, smoothing=0) == 1, (heat > level.item()) | strongest)


@settings(max_examples=50, deadline=None)
@given(
    st.integers(1, 9), st.integers(1, 9), st.floats(0, 4), st.sampled_from(["otsu", 0.0, 0.3, 1.0]), st.integers(0, 99)
)
def test_any_mask_is_within_0_and_1(height, width, smoothing, threshold, seed):
    heat = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(seed))
    mask = soft_mask(heat, threshold, smoothing)
    assert mask.shape == heat.shape
    assert mask.isfinite().all()
    assert 0 <= mask.min() <= mask.max() <= 1


@pytest.mark.parametrize("threshold", [-0.1, 1.1, "median", None])
def test_other_thresholds(threshold):
    with pytest.raises(AttentionError, match='expected "otsu" or a quantile'):
        soft_mask(torch.rand(4, 4), threshold)
    with pytest.raises(AttentionError, match="expected 0 or more"):
        soft_mask(torch.rand(4, 4), smoothing=-1)


def test_contrast_compares_inside_and_outside():
    """Confidence is (a - b) / (a + b), independent of the map's unit."""
    for inside, expected in ((3.0, 0.5), (9.0, 0.8), (1.1, 0.1 / 2.1)):
        assert contrast(blob(level=inside - 1, floor=1) / 8704) == pytest.approx(expected, rel=1e-4)
    assert contrast(blob()) == pytest.approx(1)


def test_a_nearly_uniform_map_has_low_contrast():
    """A map with small differences between its cells shows no object."""
    values = (1 + 0.05 * torch.randn(16, 16, generator=torch.Generator().manual_seed(0))) / 8704
    assert contrast(values) < 0.1


def test_contrast_after_smoothing_is_lower_for_noise():
    noise = torch.rand(16, 16, generator=torch.Generator().manual_seed(0))
    assert contrast(noise, smoothing=1.0) < 0.6 * contrast(noise)
    assert confidence is contrast  # its name in version 0.1
