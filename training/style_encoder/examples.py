"""Examples for training and evaluation of an encoder: images of known styles with their cached states."""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from ...moe import StyleEncoder
from ...progress import console
from ...storage.image_rows import ImageRows, report_broken
from .config import EncoderTrainConfig
from .images import StyleImage, lone_styles, require_pairs
from .states import cached_states, computed_states, stored_layers
from .vision import Vision


@dataclass(frozen=True)
class StyleExamples:
    """Images with their states of the vision model.

    Attributes:
        images: N images.
        cache: the states of the images, on disk or computed.
        identity: digest of the image names, the styles and the vision model.
    """

    images: list[StyleImage]
    cache: ImageRows
    identity: str

    def __len__(self) -> int:
        return len(self.images)

    @cached_property
    def labels(self) -> Tensor:
        """Style ids, [N]."""
        return torch.tensor([image.style_id for image in self.images], dtype=torch.long)

    def states(self, indices: Tensor) -> Tensor:
        """The float16 states [B, L, T, D] of the images at `indices` [B]."""
        paths = [self.images[index].path for index in indices.tolist()]
        return torch.from_numpy(self.cache.of(paths, "states"))

    @property
    def pooled(self) -> Tensor:
        """Pooled vectors of the vision model, [N, D]."""
        return torch.from_numpy(self.cache.of([image.path for image in self.images], "pooled"))

    @torch.no_grad()
    def embed(self, encoder: StyleEncoder) -> Tensor:
        """Returns the style embeddings of all images, [N, cond_dim], on the CPU."""
        device = next(encoder.parameters()).device
        parts = torch.arange(len(self)).split(64)
        return torch.cat([encoder(self.states(part).to(device).float()).cpu() for part in parts])


def train_examples(config: EncoderTrainConfig, images: list[StyleImage], vision: Vision) -> StyleExamples:
    """Returns the training split without broken images and without styles that have a single image.

    Raises:
        TrainingError: fewer than two styles remain.
        StorageError: the disk has no room for the states.
    """
    images, cache = _readable(config, vision, "train", images)
    lone = set(lone_styles(images))
    if lone:
        console.print(f"Left out {len(lone)} styles with a single image: {', '.join(sorted(lone))}", soft_wrap=True)
    images = [image for image in images if image.style not in lone]
    require_pairs(config.data, images)
    return StyleExamples(images, cache, _digest(config.data, images, vision))


def unseen_examples(config: EncoderTrainConfig, images: list[StyleImage], vision: Vision) -> StyleExamples:
    """Returns the images of unseen styles, without broken images."""
    images, cache = _readable(config, vision, "test", images)
    return StyleExamples(images, cache, _digest(config.data, images, vision))


def _readable(
    config: EncoderTrainConfig, vision: Vision, split: str, images: list[StyleImage]
) -> tuple[list[StyleImage], ImageRows]:
    paths = [image.path for image in images]
    layers = stored_layers(config.taps)
    if config.states == "computed":
        cache = computed_states(config.cache / f"{split}_whole", paths, vision, layers)
    else:
        cache = cached_states(config.cache / split, paths, vision, layers)
    report_broken(cache, f"{split} images")
    return [image for image in images if image.path in cache.rows], cache


def _digest(data: Path, images: list[StyleImage], vision: Vision) -> str:
    root = data.resolve()
    names = [(str(image.path.relative_to(root)), image.style_id) for image in images]
    return hashlib.sha256(json.dumps([vision.identity, names]).encode()).hexdigest()
