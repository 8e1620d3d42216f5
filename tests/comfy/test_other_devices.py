"""What the nodes compute on the model's device works without float64 and without torch's named attention kernels."""

import importlib.util
from pathlib import Path

import pytest
import torch

HERE = Path(__file__).parent
OBJECT, STYLE = "object: guitar", "style: mosaic"


@pytest.fixture(params=["mps", "xpu", "privateuseone"])
def device(request, parts):
    path = HERE.parent / "attention" / "emulated_device.py"
    spec = importlib.util.spec_from_file_location("emulated_device", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with torch.no_grad(), module.EmulatedDevice(request.param) as device:
        yield device


@pytest.fixture
def override():
    """Captures one block of 2 x 3 cells after 4 text tokens."""
    from styleroute.nodes.maps.attention_override import AttentionOverride
    from styleroute.nodes.maps.region_spans import RegionSpan

    rows = [(RegionSpan("mosaic", "style", (1, 2)), RegionSpan("guitar", "object", (3,)))]
    return lambda: AttentionOverride(0, rows, 1, 4, (2, 3), frozenset({("double", 0)}), None)


def test_the_attention_override(device, override):
    from styleroute.nodes.maps.recorded_maps import RecordedMaps

    def attention_pytorch(q, k, v, heads, **kwargs):
        return (q @ k.mT / 8**0.5).softmax(-1) @ v

    heads = torch.randn(3, 1, 2, 10, 8, generator=torch.Generator().manual_seed(0)).unbind()
    options = {"skip_reshape": True, "mask": None, "transformer_options": {"block_type": "double", "block_index": 0}}
    means = []
    for tensors in (heads, tuple(map(device.put, heads))):
        call, maps = override(), RecordedMaps()
        call.attend(attention_pytorch, *tensors, 2, **options)
        call.store_maps(maps)
        means.append((maps.mean(0, STYLE), maps.mean(0, OBJECT)))
    torch.testing.assert_close(*means, rtol=1e-4, atol=1e-6)
    assert device.operations


def test_the_background_lock(device, flux):
    from styleroute.nodes.maps.recorded_maps import RecordedMaps
    from styleroute.nodes.maps.region_spans import RegionSpan
    from styleroute.nodes.regions.background_lock import with_background_lock

    maps = RecordedMaps(size=(8, 12))
    cells = torch.zeros(4, 6)
    cells[1:3, 1:4] = 1
    maps.add(0, RegionSpan("mosaic", "style", (1,)), 0, "double 0", cells)
    denoised, reference = torch.randn(2, 1, 16, 8, 12, generator=torch.Generator().manual_seed(0)).unbind()
    locked = with_background_lock(flux, maps, "style", reference, 1.0)
    (lock,) = locked.model_options["sampler_post_cfg_function"]
    args = {"model": flux.model, "model_options": {"transformer_options": {}}}
    found = lock(args | {"denoised": device.put(denoised), "sigma": device.put(torch.ones(1))})
    assert found.device == device.device
    torch.testing.assert_close(found.cpu(), lock(args | {"denoised": denoised, "sigma": torch.ones(1)}))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_adding_experts_to_weights(device, dtype):
    from styleroute.nodes.model_patching import LowRankAdapter

    generator = torch.Generator().manual_seed(0)
    up, down, weight = (torch.randn(8, 8, generator=generator) for _ in range(3))
    adapter = LowRankAdapter({"a.weight"}, (up, down, None, None, None, None))
    weight = weight.to(dtype)
    settings = (None, lambda change: change, dtype)
    found = adapter.calculate_weight(device.put(weight), "a.weight", 0.5, 1.0, *settings)
    expected = adapter.calculate_weight(weight.clone(), "a.weight", 0.5, 1.0, *settings)
    torch.testing.assert_close(found.cpu(), expected)
