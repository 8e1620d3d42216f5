"""Bytes read and memory used: opening reads only headers, and a style reads only its routed experts."""

import json
import math
import tracemalloc

import pytest
import torch
from styleroute.flux.layer_names import all_layers, layer_shape
from styleroute.moe import ExpertConfig, StyleExpert, save_expert

from .conftest import encoder_state, expert_state, lora_state

E, K, R = 8, 2, 3


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_bytes_of_a_style(tmp_path, dtype):
    state = {key: w.to(dtype) for key, w in expert_state(num_experts=E, rank=R, shared_rank=R).items()}
    config = ExpertConfig("style-moe", E, R, R, K, 3.0, 30, "paper")
    encoder = encoder_state()
    save_expert(tmp_path / "e.safetensors", state, config, encoder)
    expert = StyleExpert.open(tmp_path / "e.safetensors")
    assert expert.bytes_read == 0
    gates = sum(weight.nbytes for key, weight in state.items() if "cond_gate" in key)
    experts = sum(weight.nbytes for weight in state.values()) - gates
    expert.collapse(torch.randn(1, 30))
    assert expert.bytes_read == experts * (K + 1) // (E + 1) + gates
    # The gates stay in memory, so the next style reads only its experts.
    expert.collapse(torch.randn(1, 30))
    assert expert.bytes_read == 2 * experts * (K + 1) // (E + 1) + gates
    _ = expert.encoder
    assert expert.bytes_read == 2 * experts * (K + 1) // (E + 1) + gates + sum(w.nbytes for w in encoder.values())


def test_bytes_of_a_release_style(written):
    state = expert_state(num_experts=E, rank=R, shared_rank=R)
    expert = StyleExpert.open(written(state))
    gates = sum(weight.nbytes for key, weight in state.items() if "cond_gate" in key)
    experts = sum(weight.nbytes for weight in state.values()) - gates
    expert.collapse(torch.randn(1, 30))
    # The last of the kept experts has weight 0 and is not read.
    assert expert.bytes_read == experts * K // (E + 1) + gates


def test_bytes_of_a_region_lora(written):
    state = lora_state()
    expert = StyleExpert.open(written(state))
    expert.collapse(None)
    assert expert.bytes_read == sum(weight.nbytes for weight in state.values())


def test_full_size_opens_without_its_weights(tmp_path):
    path = tmp_path / "full.safetensors"
    parameters = _write_sparse(path)
    assert parameters > 819e6
    tracemalloc.start()
    expert = StyleExpert.open(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert expert.bytes_read == 0
    assert peak < 16 * 2**20
    assert (expert.config.num_experts, expert.config.rank, expert.config.cond_dim) == (16, 8, 3072)


def _write_sparse(path) -> int:
    """Write a release file at Kontext's size: a header, and a sparse hole for the tensors that needs no disk."""
    header, position = {}, 0
    for layer in all_layers(19, 38):
        out, inp = layer_shape(layer, 3072)
        for part, shape in {
            "loraA": [16, 8, inp],
            "loraB": [16, out, 8],
            "shared_A": [1, 24, inp],
            "shared_B": [1, out, 24],
            "cond_gate.weight": [16, 3072],
        }.items():
            end = position + 2 * math.prod(shape)
            header[f"{layer}.lora_layer.{part}"] = {"dtype": "BF16", "shape": shape, "data_offsets": [position, end]}
            position = end
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + position)
    return position // 2


def test_replaced_file_is_noticed(tmp_path, written):
    expert = StyleExpert.open(written(expert_state()))
    written(expert_state(num_experts=5))
    with pytest.raises(ValueError, match="has changed since it was opened"):
        expert.collapse(torch.randn(1, 30))


def test_removed_file_is_noticed(written):
    path = written(expert_state())
    expert = StyleExpert.open(path)
    path.unlink()
    with pytest.raises(ValueError, match=r"can no longer be read .*Load it again if it was moved"):
        expert.collapse(torch.randn(1, 30))
