"""Experts routed by a style picture's pooled latents, as a file that the nodes read: for one style picture each.

No node computes this embedding: it is the baseline without Stage 1, and not to be used.
"""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from ...moe import ExpertConfig, LowRank, StyleExpert, save_expert
from ...training.bases import Base
from ...training.experts.conditions import pool
from ..pictures import open_pixels


def pooled_embedding(base: Base, picture: Path) -> Tensor:
    """[1, 256]: what the preset `small-no-encoder` is trained on."""
    return pool(base.encode(open_pixels(picture)))


def write_collapsed(expert: StyleExpert, style: Tensor, path: Path) -> Path:
    """The style's mixture [1, cond_dim] as one plain LoRA, in an expert file."""
    pairs = expert.collapse(style)
    rank = next(iter(pairs.values())).down.shape[0]
    config = ExpertConfig(
        kind="region-lora", num_experts=1, rank=rank, shared_rank=0, top_k=1, alpha=rank, cond_dim=0,
        base=expert.config.base,
    )  # fmt: skip
    save_expert(path, _plain_lora(pairs), config, None)
    return path


def _plain_lora(pairs: Mapping[str, LowRank]) -> dict[str, Tensor]:
    """Under diffusers' names; the scale is within the pair, so that alpha is the rank."""
    lora: dict[str, Tensor] = {}
    for layer, pair in pairs.items():
        lora[f"transformer.{layer}.lora_A.weight"] = pair.down
        lora[f"transformer.{layer}.lora_B.weight"] = pair.up
    return lora
