"""Apple's, Intel's and AMD's devices: no float64 there, and no attention kernel that the device or torch may lack."""

from pathlib import Path

import pytest
import styleroute
import torch
from styleroute.attention import (
    attend_at_once,
    attend_with_maps,
    confidence,
    heat_map,
    kernels,
    resize,
    soft_mask,
    span_attention,
)
from styleroute.attention.heat import otsu
from styleroute.attention.resizing import blur

from .emulated_device import EmulatedDevice

DEVICES = ["mps", "xpu", "cuda", "privateuseone"]
SPANS, ROWS = [[1, 2], [5]], slice(6, 14)


@pytest.fixture(params=DEVICES)
def device(request, monkeypatch):
    """An emulated device. "cuda" has no fused kernel here, as with older AMD cards and some builds of torch."""
    for name in ("can_use_flash_attention", "can_use_efficient_attention"):
        monkeypatch.setattr(torch.backends.cuda, name, lambda params: False)
    monkeypatch.setattr(kernels, "_sdpa_params", lambda *tensors: None)
    with torch.no_grad(), EmulatedDevice(request.param) as device:
        yield device


@pytest.fixture
def heads():
    """q, k, v [2, 3, 16, 8]."""
    return torch.randn(3, 2, 3, 16, 8, generator=torch.Generator().manual_seed(0)).unbind()


def test_the_emulated_device_refuses_float64_and_named_kernels(device, heads):
    q = device.put(heads[0])
    with pytest.raises(AssertionError, match="uses float64"):
        q.double()
    with pytest.raises(AssertionError, match="may not exist"):
        torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(q, q, q)
    with pytest.raises(AssertionError, match="mixes tensors"):
        q + heads[0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("normalise", ["all", "span"])
def test_maps_on_other_devices(device, heads, dtype, normalise):
    q, k, _ = (tensor.to(dtype) for tensor in heads)
    expected = span_attention(q, k, SPANS, ROWS, normalise=normalise)
    found = span_attention(device.put(q), device.put(k), SPANS, ROWS, normalise=normalise)
    assert found.device == device.device
    torch.testing.assert_close(found.cpu(), expected, rtol=1e-2, atol=1e-3)
    assert device.operations


@pytest.mark.parametrize("mask", [torch.rand(16, 16) > 0.2, torch.randn(16, 16)], ids=["boolean", "added"])
def test_maps_with_a_mask_on_other_devices(device, heads, mask):
    q, k, _ = heads
    expected = span_attention(q, k, SPANS, ROWS, mask=mask)
    found = span_attention(device.put(q), device.put(k), SPANS, ROWS, mask=device.put(mask))
    torch.testing.assert_close(found.cpu(), expected, rtol=1e-4, atol=1e-6)


def test_a_single_call_for_output_and_maps_is_left_to_devices_with_a_kernel(device, heads):
    assert attend_at_once(*map(device.put, heads), SPANS, ROWS) is None


def test_each_named_kernel_has_a_fallback(heads, monkeypatch):
    """A build of torch without the kernels gives the same maps, on the CPU and on a graphics card."""
    expected = span_attention(heads[0], heads[1], SPANS, ROWS)
    monkeypatch.setattr(kernels, "has_kernel", lambda name, device: False)
    for name in ("can_use_flash_attention", "can_use_efficient_attention"):
        monkeypatch.setattr(torch.backends.cuda, name, lambda params: True)
    monkeypatch.setattr(kernels, "_sdpa_params", lambda *tensors: None)
    with torch.no_grad(), EmulatedDevice("cuda") as card:
        assert kernels.attention_with_lse(*map(card.put, heads), None, 1.0) is None
    assert attend_at_once(*heads, SPANS, ROWS) is None
    torch.testing.assert_close(span_attention(heads[0], heads[1], SPANS, ROWS), expected, rtol=1e-4, atol=1e-6)
    output, maps = attend_with_maps(*heads, SPANS, ROWS)
    torch.testing.assert_close(output, torch.nn.functional.scaled_dot_product_attention(*heads), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(maps, expected, rtol=1e-4, atol=1e-6)


def test_named_kernels_are_called_in_one_file_only():
    """Each call by name needs a check that the device and the build have the kernel."""
    pack = Path(styleroute.__file__).parent
    for file in (path for folder in ("attention", "moe", "nodes", "flux") for path in (pack / folder).rglob("*.py")):
        assert "torch.ops" not in file.read_text(encoding="utf-8") or file.name == "kernels.py", file.name


def test_a_build_without_a_kernel_is_recognised():
    assert kernels.has_kernel(kernels.CPU_KERNEL, "cpu")
    assert not kernels.has_kernel("_scaled_dot_product_kernel_of_another_torch", "cpu")
    assert not kernels.has_kernel(kernels.FLASH_KERNEL, "cpu")


def test_heat_maps_and_masks_on_other_devices(device):
    maps = torch.rand(2, 7, 5, generator=torch.Generator().manual_seed(0))
    there = device.put(maps)
    for function in (
        heat_map,
        otsu,
        soft_mask,
        lambda values: soft_mask(values, 0.8),
        lambda values: blur(values, 1.0),
        lambda values: resize(values, (14, 3)),
    ):
        found = function(there)
        assert found.device == device.device
        torch.testing.assert_close(found.cpu(), function(maps), rtol=1e-5, atol=1e-6)
    assert confidence(there[0]) == pytest.approx(confidence(maps[0]), rel=1e-5)
