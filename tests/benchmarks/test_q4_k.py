"""Weights in Q4_K equal an independent reading of the format, and ComfyUI-GGUF's where it is present."""

import struct

import numpy as np
import pytest
import torch


def read_q4_k(data: bytes) -> list[float]:
    """The 256 numbers of one block, read number by number."""
    d, dmin = (struct.unpack("<e", data[start : start + 2])[0] for start in (0, 2))
    packed, levels = data[4:16], data[16:144]
    numbers = []
    for group in range(8):
        if group < 4:
            scale, minimum = packed[group] & 63, packed[group + 4] & 63
        else:
            scale = packed[group + 4] & 15 | packed[group - 4] >> 6 << 4
            minimum = packed[group + 4] >> 4 | packed[group] >> 6 << 4
        part = levels[group // 2 * 32 : group // 2 * 32 + 32]
        numbers += [d * scale * (byte >> 4 * (group % 2) & 15) - dmin * minimum for byte in part]
    return numbers


@pytest.fixture
def weight() -> torch.Tensor:
    return torch.randn(3, 512, generator=torch.Generator().manual_seed(0)) * 0.02


def test_the_numbers_are_near_the_weights(comfy_pack, weight) -> None:
    quantize_q4_k = comfy_pack.q4_k.quantize_q4_k
    data = quantize_q4_k(weight)
    assert data.shape == (3, 2 * 144)
    blocks = data.view(-1, 144).numpy()
    found = torch.tensor([read_q4_k(block.tobytes()) for block in blocks]).view_as(weight)
    assert (found - weight).norm() < 0.09 * weight.norm()


def test_the_gguf_package_reads_the_same_numbers(comfy_pack, weight) -> None:
    gguf = pytest.importorskip("gguf")
    quantize_q4_k = comfy_pack.q4_k.quantize_q4_k
    data = quantize_q4_k(weight).numpy()
    expected = np.array([read_q4_k(block.tobytes()) for block in data.reshape(-1, 144)], np.float32)
    found = gguf.quants.dequantize(data, gguf.GGMLQuantizationType.Q4_K)
    np.testing.assert_allclose(found.reshape(-1, 256), expected, rtol=1e-5, atol=1e-7)


def test_zeros_stay_zeros(comfy_pack) -> None:
    quantize_q4_k = comfy_pack.q4_k.quantize_q4_k
    assert read_q4_k(quantize_q4_k(torch.zeros(1, 256)).numpy().tobytes()) == [0.0] * 256
