"""Random expert and LoRA files for the benchmark's models."""

from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import save_file
from torch import Tensor

from ..flux.layer_names import all_layers, layer_shape
from ..moe import ExpertConfig, save_expert

CONFIG = ExpertConfig(kind="style-moe", num_experts=16, rank=8, shared_rank=8, top_k=2, alpha=8.0, cond_dim=3072)
"""Sizes of the published experts."""
LORA_RANK = CONFIG.shared_rank + CONFIG.top_k * CONFIG.rank
"""Rank of a collapsed style."""


class Blocks(NamedTuple):
    """Width and number of a model's blocks."""

    hidden: int = 1024
    double: int = 2
    single: int = 4


DEFAULT = Blocks()


def adapted_layers(blocks: Blocks = DEFAULT) -> list[str]:
    """Names of attention and feed-forward linear layers of every block, without the modulation."""
    return [layer for layer in all_layers(blocks.double, blocks.single) if ".norm" not in layer]


def random_experts(config: ExpertConfig, blocks: Blocks) -> dict[str, Tensor]:
    """Random experts for every adapted layer, in float16, by the keys of an expert file."""
    experts = {}
    for layer in adapted_layers(blocks):
        out, inp = layer_shape(layer, blocks.hidden)
        for name, shape in {
            "loraA": (config.num_experts, config.rank, inp),
            "loraB": (config.num_experts, out, config.rank),
            "shared_A": (1, config.shared_rank, inp),
            "shared_B": (1, out, config.shared_rank),
            "cond_gate.weight": (config.num_experts, config.cond_dim),
        }.items():
            experts[f"{layer}.lora_layer.{name}"] = torch.randn(shape).mul(0.01).half()
    return experts


def random_lora(rank: int, blocks: Blocks) -> dict[str, Tensor]:
    """A random plain LoRA of the same layers, in float16, by diffusers' keys."""
    state = {}
    for layer in adapted_layers(blocks):
        out, inp = layer_shape(layer, blocks.hidden)
        state[f"transformer.{layer}.lora_A.weight"] = torch.randn(rank, inp).mul(0.01).half()
        state[f"transformer.{layer}.lora_B.weight"] = torch.randn(out, rank).mul(0.01).half()
    return state


def write_files(models: Path, blocks: Blocks = DEFAULT) -> tuple[Path, list[str]]:
    """Write an expert file, and two LoRAs of a collapsed style's rank R = r_s + k r."""
    experts, loras = models / "style_experts", models / "loras"
    for folder in (experts, loras):
        folder.mkdir(parents=True, exist_ok=True)
    save_expert(experts / "random.safetensors", random_experts(CONFIG, blocks), CONFIG, None)
    names = ["first.safetensors", "second.safetensors"]
    for name in names:
        save_file(random_lora(LORA_RANK, blocks), loras / name)
    return experts / "random.safetensors", names
