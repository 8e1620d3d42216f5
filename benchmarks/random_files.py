"""Random expert and LoRA files for the benchmark's models."""

import json
import math
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import save_file
from torch import Tensor

from ..flux.layer_names import all_layers, comfy_target, layer_shape
from ..moe import ExpertConfig, save_expert

CONFIG = ExpertConfig(kind="style-moe", num_experts=16, rank=8, shared_rank=8, top_k=2, alpha=8.0, cond_dim=3072)
"""Sizes of the published experts."""
MLP_RATIO = 4.0
"""Width of FLUX.1's feed-forward layers, relative to the hidden size."""
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
    shapes = expert_shapes(config, blocks)
    return {key: torch.randn(shape).mul(0.01).half() for key, shape in shapes.items()}


def bytes_of_experts(blocks: Blocks) -> int:
    """Bytes of the experts' file for a model, without its header."""
    return sum(math.prod(shape) for shape in expert_shapes(CONFIG, blocks).values()) * torch.float16.itemsize


def expert_shapes(config: ExpertConfig, blocks: Blocks) -> dict[str, tuple[int, ...]]:
    """Shapes of the experts of every adapted layer, by the keys of an expert file."""
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in adapted_layers(blocks):
        out, inp = layer_shape(layer, blocks.hidden)
        parts = {
            "loraA": (config.num_experts, config.rank, inp),
            "loraB": (config.num_experts, out, config.rank),
            "shared_A": (1, config.shared_rank, inp),
            "shared_B": (1, out, config.shared_rank),
            "cond_gate.weight": (config.num_experts, config.cond_dim),
        }
        shapes |= {f"{layer}.lora_layer.{name}": shape for name, shape in parts.items()}
    return shapes


def random_lora(rank: int, blocks: Blocks) -> dict[str, Tensor]:
    """A random plain LoRA of the same layers, in float16, by diffusers' keys."""
    state = {}
    for layer in adapted_layers(blocks):
        out, inp = layer_shape(layer, blocks.hidden)
        state[f"transformer.{layer}.lora_A.weight"] = torch.randn(rank, inp).mul(0.01).half()
        state[f"transformer.{layer}.lora_B.weight"] = torch.randn(out, rank).mul(0.01).half()
    return state


def random_fused_lora(rank: int, blocks: Blocks) -> dict[str, Tensor]:
    """A random plain LoRA of the same layers, in float16, by ComfyUI's keys: q, k and v are one layer of this rank."""
    shapes: dict[str, tuple[int, int]] = {}
    for layer in adapted_layers(blocks):
        out, inp = layer_shape(layer, blocks.hidden)
        key = comfy_target(layer, blocks.hidden, MLP_RATIO).key
        shapes[key] = shapes.get(key, (0, inp))[0] + out, inp
    state = {}
    for key, (out, inp) in shapes.items():
        state[f"diffusion_model.{key}.lora_A.weight"] = torch.randn(rank, inp).mul(0.01).half()
        state[f"diffusion_model.{key}.lora_B.weight"] = torch.randn(out, rank).mul(0.01).half()
    return state


class RandomFiles(NamedTuple):
    """Files of the measured methods in ComfyUI's models folder.

    Attributes:
        expert: an expert file.
        loras: two LoRAs of a collapsed style's rank R = r_s + k r, with the layers' names of diffusers.
        fused: two such LoRAs with the layers' names of ComfyUI.
    """

    expert: Path
    loras: tuple[str, str]
    fused: tuple[str, str]

    @property
    def json(self) -> str:
        """The input "files" of the benchmark's nodes."""
        return json.dumps(self._asdict(), default=str)


def write_files(models: Path, blocks: Blocks = DEFAULT) -> RandomFiles:
    """Write random files for a model. Files for other sizes stay beside them."""
    experts, loras = models / "style_experts", models / "loras"
    for folder in (experts, loras):
        folder.mkdir(parents=True, exist_ok=True)
    name = "-".join(map(str, blocks))
    files = RandomFiles(
        experts / f"random-{name}.safetensors",
        (f"first-{name}.safetensors", f"second-{name}.safetensors"),
        (f"fused-{name}.safetensors", f"fused-second-{name}.safetensors"),
    )
    save_expert(files.expert, random_experts(CONFIG, blocks), CONFIG, None)
    for names, make in ((files.loras, random_lora), (files.fused, random_fused_lora)):
        for each in names:
            save_file(make(LORA_RANK, blocks), loras / each)
    return files
