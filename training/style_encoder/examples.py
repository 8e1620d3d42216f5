"""What an encoder is trained and judged on: pictures of known styles with their cached states."""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...moe import StyleEncoder
from ...progress import console
from ...storage.image_rows import PictureRows, tell_broken
from .config import EncoderTrainConfig
from .pictures import Picture, lone_styles, require_pairs
from .states import cached_states, stored_layers
from .vision import Vision


@dataclass(frozen=True)
class StyleExamples:
    """Pictures and the vision model's states of them.

    Attributes:
        pictures: N of them.
        cache: where their states are.
        identity: a digest of the pictures' names and styles and of the vision model.
    """

    pictures: list[Picture]
    cache: PictureRows
    identity: str

    def __len__(self) -> int:
        return len(self.pictures)

    @cached_property
    def labels(self) -> Tensor:
        """Style ids, [N]."""
        return torch.tensor([picture.style_id for picture in self.pictures], dtype=torch.long)

    def states(self, indices: Tensor) -> Tensor:
        """Float16 states [B, L, T, D] of the pictures at `indices` [B], read from disk."""
        return torch.from_numpy(np.asarray(self.cache.arrays["states"][self._rows[indices.numpy()]]))

    @property
    def pooled(self) -> Tensor:
        """The vision model's own vectors, [N, D]."""
        return torch.from_numpy(np.asarray(self.cache.arrays["pooled"][self._rows]))

    @torch.no_grad()
    def embed(self, encoder: StyleEncoder) -> Tensor:
        """Style embeddings [N, cond_dim] on the CPU."""
        device = next(encoder.parameters()).device
        parts = torch.arange(len(self)).split(64)
        return torch.cat([encoder(self.states(part).to(device).float()).cpu() for part in parts])

    @cached_property
    def _rows(self) -> np.ndarray:
        return np.array([self.cache.rows[picture.path] for picture in self.pictures], dtype=np.int64)


def train_examples(config: EncoderTrainConfig, pictures: list[Picture], vision: Vision) -> StyleExamples:
    """The training split, without broken pictures and without styles of a single picture.

    Raises:
        TrainingError: fewer than two styles remain, or the disk is too full.
    """
    pictures, cache = _readable(config, vision, "train", pictures)
    lone = set(lone_styles(pictures))
    if lone:
        console.print(f"Left out {len(lone)} styles with a single picture: {', '.join(sorted(lone))}", soft_wrap=True)
    pictures = [picture for picture in pictures if picture.style not in lone]
    require_pairs(config.data, pictures)
    return StyleExamples(pictures, cache, _digest(config.data, pictures, vision))


def unseen_examples(config: EncoderTrainConfig, pictures: list[Picture], vision: Vision) -> StyleExamples:
    """The pictures of unseen styles, without broken ones."""
    pictures, cache = _readable(config, vision, "test", pictures)
    return StyleExamples(pictures, cache, _digest(config.data, pictures, vision))


def _readable(
    config: EncoderTrainConfig, vision: Vision, split: str, pictures: list[Picture]
) -> tuple[list[Picture], PictureRows]:
    paths = [picture.path for picture in pictures]
    cache = cached_states(config.cache / split, paths, vision, stored_layers(config.taps))
    tell_broken(cache, f"{split} pictures")
    return [picture for picture in pictures if picture.path in cache.rows], cache


def _digest(data: Path, pictures: list[Picture], vision: Vision) -> str:
    names = [(str(picture.path.relative_to(data.resolve())), picture.style_id) for picture in pictures]
    return hashlib.sha256(json.dumps([vision.identity, names]).encode()).hexdigest()
