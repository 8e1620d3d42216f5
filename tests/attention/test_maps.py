"""The collector of maps, and their aggregation."""

import pytest
import torch
from styleroute.attention import MEAN, MEAN_STEP, AttentionError, AttentionMaps, MapCollector

STEPS, BLOCKS, SPANS = (0, 1, 4), ("double 0", "single 3"), ("man", "pixel-art")


@pytest.fixture
def values():
    return torch.rand(3, 2, 2, 4, 5, generator=torch.Generator().manual_seed(0))


def fill(collector, values):
    for step, by_block in zip(STEPS, values, strict=True):
        for block, maps in zip(BLOCKS, by_block, strict=True):
            collector.add(step, block, maps)
    return collector


def test_kept_maps_are_read(values):
    maps = fill(MapCollector(SPANS), values).read()
    assert torch.equal(maps.values, values)
    assert (maps.steps, maps.blocks, maps.spans) == (STEPS, BLOCKS, SPANS)


@pytest.mark.parametrize("keep_steps", [False, True])
@pytest.mark.parametrize("keep_blocks", [False, True])
def test_an_axis_that_is_not_kept_is_a_running_mean(values, keep_steps, keep_blocks):
    collector = fill(MapCollector(SPANS, keep_steps=keep_steps, keep_blocks=keep_blocks), values)
    maps = collector.read()
    expected = values if keep_steps else values.mean(dim=0, keepdim=True)
    expected = expected if keep_blocks else expected.mean(dim=1, keepdim=True)
    assert torch.allclose(maps.values, expected, atol=1e-6)
    assert maps.steps == (STEPS if keep_steps else (MEAN_STEP,))
    assert maps.blocks == (BLOCKS if keep_blocks else (MEAN,))


def test_memory_does_not_grow_along_an_axis_that_is_not_kept(values):
    collector = MapCollector(SPANS, keep_steps=False, keep_blocks=False)
    for _ in range(50):
        fill(collector, values)
    assert len(collector._means) == 1


def test_block_that_runs_again_in_a_step_is_averaged(values):
    collector = MapCollector(SPANS)
    for maps in values[:, 0]:
        collector.add(0, "double 0", maps)
    assert torch.allclose(collector.read().values[0, 0], values[:, 0].mean(dim=0), atol=1e-6)


def test_collected_maps_do_not_change_with_their_source(values):
    source = values[0, 0].clone()
    collector = MapCollector(SPANS)
    collector.add(0, "double 0", source)
    source.zero_()
    assert torch.equal(collector.read().values[0, 0], values[0, 0])


def test_collected_maps_are_detached_and_in_float32(values):
    collector = MapCollector(SPANS)
    collector.add(0, "double 0", values[0, 0].bfloat16().requires_grad_())
    read = collector.read().values
    assert (read.dtype, read.requires_grad, read.device.type) == (torch.float32, False, "cpu")


def test_interrupted_step_is_left_out(values):
    collector = fill(MapCollector(SPANS), values)
    collector.add(5, "double 0", values[0, 0])
    assert collector.read().steps == STEPS


def test_empty_collector():
    collector = MapCollector(SPANS)
    with pytest.raises(AttentionError, match="No attention map was captured"):
        collector.read()
    collector.add(0, "double 0", torch.rand(2, 3, 3))
    collector.clear()
    with pytest.raises(AttentionError, match="No attention map was captured"):
        collector.read()


def test_blocks_that_change_from_step_to_step(values):
    collector = MapCollector(SPANS)
    collector.add(0, "double 0", values[0, 0])
    collector.add(1, "double 1", values[0, 0])
    with pytest.raises(AttentionError, match="same blocks"):
        collector.read()


@pytest.mark.parametrize("shape", [(3, 4, 5), (2, 20), (2, 4, 6)])
def test_other_sizes_are_refused(values, shape):
    collector = MapCollector(SPANS)
    collector.add(0, "double 0", values[0, 0])
    with pytest.raises(AttentionError, match="expected \\[2, 4, 5\\]"):
        collector.add(0, "double 1", torch.rand(shape))
    assert collector.read().blocks == ("double 0",)


@pytest.mark.parametrize("shape", [(3, 4, 5), (2, 20)])
def test_first_map_of_another_size_is_refused(shape):
    with pytest.raises(AttentionError, match="Found maps of shape"):
        MapCollector(SPANS).add(0, "double 0", torch.rand(shape))


def test_aggregate(values):
    maps = AttentionMaps(values, SPANS, BLOCKS, STEPS)
    assert torch.allclose(maps.aggregate(), values.mean(dim=(0, 1), keepdim=True))
    assert torch.equal(maps.aggregate(steps="each", blocks="each"), values)
    assert torch.equal(maps.aggregate(steps="last", blocks=0), values[2:, :1])
    assert torch.allclose(maps.aggregate(steps=1), values[1:2].mean(dim=1, keepdim=True))
    assert torch.allclose(maps.aggregate(spans="mean"), values.mean(dim=(0, 1, 2), keepdim=True))
    assert torch.equal(maps.aggregate(steps="each", blocks="each", spans=1), values[:, :, 1:2])
    for wrong in ("first", 3, -1):
        with pytest.raises(AttentionError, match=r"choice of steps is .* expected mean, last, each or 0 to 2"):
            maps.aggregate(steps=wrong)


@pytest.mark.parametrize("shape", [(3, 2, 2, 4), (2, 2, 2, 4, 4), (3, 1, 2, 4, 4), (3, 2, 2, 0, 4)])
def test_maps_without_matching_names_are_refused(shape):
    with pytest.raises(AttentionError, match="expected \\[steps, blocks, spans, h, w\\]"):
        AttentionMaps(torch.rand(shape), SPANS, BLOCKS, STEPS)
