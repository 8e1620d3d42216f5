"""Experts routed by a style image's pooled latents, collapsed to a file that the nodes read: one per style image.

This is the baseline without a style encoder (StyleExpert's Stage 1). No node computes its style embedding.
"""

from pathlib import Path

from torch import Tensor

from ...dataset.scenes import IMAGE_SIDE
from ...moe import ExpertConfig, StyleExpert, save_expert
from ...moe.lora import lora_state
from ...training.bases import Base
from ...training.experts.conditions import pool
from ..images import open_pixels


def pooled_latents(base: Base, image: Path, side: int = IMAGE_SIDE) -> Tensor:
    """The style embedding [1, 256] of the training preset `small-no-encoder`, from an image of side x side pixels."""
    return pool(base.encode(open_pixels(image, side)))


def write_collapsed_lora(expert: StyleExpert, style: Tensor, path: Path) -> Path:
    """Collapse the experts routed by a style embedding [1, cond_dim], and write them as one plain LoRA."""
    pairs = expert.collapse(style)
    rank = next(iter(pairs.values())).down.shape[0]
    save_expert(path, lora_state(pairs), ExpertConfig.plain_lora(rank, expert.config.base), None)
    return path
