"""The shared expert of a mixture alone: the routed experts are switched off."""

from dataclasses import replace
from pathlib import Path

import torch

from ...moe import ExpertConfig, LowRank, StyleExpert, save_expert
from ...moe.lora import lora_state
from ..generated_images import file_digest


def shared_expert(expert: StyleExpert) -> dict[str, LowRank]:
    """The low-rank pairs of the shared expert by layer. They do not depend on the style."""
    routings = expert.route(torch.zeros(1, expert.config.cond_dim))
    return expert.collapse_routed(
        {layer: replace(routing, weights=0 * routing.weights) for layer, routing in routings.items()}
    )


def write_shared_expert(file: Path, folder: Path) -> Path:
    """Write the shared expert of a file as one plain LoRA, unless this was done before; returns its path.

    The LoRA keeps the file's training summary. MoE Apply therefore places the style image as for the whole file.
    """
    path = folder / f"shared_expert-{file_digest(file)[:12]}.safetensors"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        expert = StyleExpert.open(file)
        pairs = shared_expert(expert)
        rank = next(iter(pairs.values())).down.shape[0]
        config = ExpertConfig.plain_lora(rank, expert.config.base)
        save_expert(path, lora_state(pairs), config, None, training=expert.training)
    return path
