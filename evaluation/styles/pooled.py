"""Experts routed by a style image's pooled latents, as a file that the nodes read: for one style image each.

No node computes this embedding: it is the baseline without Stage 1, and not to be used.
"""

from pathlib import Path

from torch import Tensor

from ...moe import ExpertConfig, StyleExpert, save_expert
from ...moe.lora import lora_state
from ...training.bases import Base
from ...training.experts.conditions import pool
from ..images import open_pixels


def pooled_embedding(base: Base, image: Path) -> Tensor:
    """[1, 256]: what the preset `small-no-encoder` is trained on."""
    return pool(base.encode(open_pixels(image)))


def write_collapsed(expert: StyleExpert, style: Tensor, path: Path) -> Path:
    """The style's mixture [1, cond_dim] as one plain LoRA, in an expert file."""
    pairs = expert.collapse(style)
    rank = next(iter(pairs.values())).down.shape[0]
    save_expert(path, lora_state(pairs), ExpertConfig.plain_lora(rank, expert.config.base), None)
    return path
