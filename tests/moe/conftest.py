"""Small expert files of exactly the published layouts, with random weights."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

torch.set_num_threads(1)

LAYERS = ("transformer_blocks.0.attn.to_q", "single_transformer_blocks.5.proj_mlp")


def expert_state(
    *, layers=LAYERS, num_experts=4, rank=3, shared_rank=2, cond_dim=30, d_in=9, d_out=8, prefix="", seed=0
) -> dict[str, torch.Tensor]:
    """A state dict of experts in the layout of StyleExpert's release; `shared_rank` 0 means no shared expert."""
    generator = torch.Generator().manual_seed(seed)
    shapes = {}
    for layer in layers:
        stem = f"{prefix}{layer}.lora_layer."
        shapes[f"{stem}loraA"] = (num_experts, rank, d_in)
        shapes[f"{stem}loraB"] = (num_experts, d_out, rank)
        shapes[f"{stem}cond_gate.weight"] = (num_experts, cond_dim)
        if shared_rank:
            shapes[f"{stem}shared_A"] = (1, shared_rank, d_in)
            shapes[f"{stem}shared_B"] = (1, d_out, shared_rank)
    return {key: torch.randn(shape, generator=generator) / math.sqrt(rank) for key, shape in shapes.items()}


def encoder_state(
    *, taps=(-2, -3, -5), queries=2, tokens=7, width=6, projections=(5,), places=None, post=0, seed=1
) -> dict[str, torch.Tensor]:
    """The release's encoder; `projections`: widths of its linear layers, `places`: their indices in a Sequential."""
    generator = torch.Generator().manual_seed(seed)
    shapes = {}
    for tap in taps:
        shapes[f"embedding_linears.{tap}.0.weight"] = (queries, tokens)
        shapes[f"embedding_linears.{tap}.0.bias"] = (queries,)
        shapes[f"layer_norms.{tap}.weight"] = shapes[f"layer_norms.{tap}.bias"] = (width,)
        inner = width
        for number, outer in enumerate(projections):
            place = f".{places[number]}" if places else ""
            shapes[f"projections.{tap}{place}.weight"] = (outer, inner)
            shapes[f"projections.{tap}{place}.bias"] = (outer,)
            inner = outer
    if post:
        shapes["post_projection.weight"] = (post, len(taps) * queries * projections[-1])
        shapes["post_projection.bias"] = (post,)
    return {key: torch.randn(shape, generator=generator) for key, shape in shapes.items()}


def lora_state(*, layers=LAYERS[:1], rank=4, d_in=9, d_out=8) -> dict[str, torch.Tensor]:
    """A state dict of a plain LoRA in RegionRoute's layout."""
    generator = torch.Generator().manual_seed(2)
    state = {}
    for layer in layers:
        state[f"transformer.{layer}.lora_A.weight"] = torch.randn(rank, d_in, generator=generator)
        state[f"transformer.{layer}.lora_B.weight"] = torch.randn(d_out, rank, generator=generator)
    return state


@pytest.fixture
def written(tmp_path) -> Callable[..., Path]:
    """Writes a state dict as a safetensors file and returns its path."""

    def write(state: dict[str, torch.Tensor], name: str = "experts.safetensors", **metadata: str) -> Path:
        save_file(state, str(tmp_path / name), metadata=metadata or None)
        return tmp_path / name

    return write
