"""The flow-matching loss on images that no training has seen, with the same noise for all methods.

Metrics of generated images also depend on the sampler and on another network. The loss is what training minimises, and
with paired noise it shows smaller differences.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import torch
from torch import Tensor, nn

from ...dataset.triplets import Triplet
from ...flux.noise import sampler_sigmas
from ...moe import LowRank, StyleExpert
from ...progress import track
from ...training.bases import Base, load_base
from ...training.experts.config import PRESETS
from ...training.experts.examples import TripletBatch
from ...training.experts.routed_linear import BatchStyle
from ...training.experts.trainer import flow_matching_loss
from ...training.precision import cpu_autocast
from ...training.style_encoder.vision import Vision, load_vision
from ..generated_images import file_digest
from ..images import open_pixels
from ..kept_numbers import KeptNumbers, digest
from ..method_scores import MethodScores
from .methods import StyleMethod
from .pooled_latents import pooled_latents
from .shared_expert import shared_expert
from .style_embedding import embed_styles
from .trials import StyleTrials

NO_EXPERTS = "no experts"
LEVELS = 8
"""Noise levels per trial: one in each eighth of the sampler's schedule."""
KEPT_FILE = "losses.jsonl"


@dataclass(frozen=True)
class UnseenLoss:
    """Mean squared error of the velocity in one trial, over all noise levels."""

    loss: float


def unseen_losses(
    methods: Sequence[StyleMethod], trials: StyleTrials, folder: Path | None = None
) -> list[MethodScores]:
    """The losses of the base model without experts, then of each method.

    Args:
        methods: the methods.
        trials: the content images, style images and teacher's images.
        folder: folder in which the losses are kept, so that an interrupted command continues; None: not kept.
    """
    base = load_base("tiny")
    transformer, latents = base.transformer(), _LatentCache(base, trials.side)
    kept, losses = KeptNumbers(None if folder is None else folder / KEPT_FILE), []
    for name, method in {NO_EXPERTS: None, **{method.name: method for method in methods}}.items():
        source = _PairSource(method, base, trials.side)
        scored = []
        for number, row in track(list(enumerate(trials.triplets)), f"Loss: {name}"):
            compute = partial(_loss, transformer, source, base, latents, row, number)
            scored.append((number, UnseenLoss(kept.get(_key(source, base, row, number, trials.side), compute))))
        losses.append(MethodScores.from_pairs(name, scored, len(trials.photos)))
    return losses


@contextmanager
def added_to_weights(transformer: nn.Module, pairs: Mapping[str, LowRank]) -> Iterator[None]:
    """Add low-rank pairs to the weights of their layers; restore the weights at the end of the block."""
    weights = {layer: transformer.get_submodule(layer).weight for layer in pairs}
    before = {layer: weight.detach().clone() for layer, weight in weights.items()}
    with torch.no_grad():
        for layer, pair in pairs.items():
            weights[layer] += pair.up @ pair.down
    try:
        yield
    finally:
        with torch.no_grad():
            for layer, weight in weights.items():
                weight.copy_(before[layer])


class _LatentCache:
    """Encodes each image once at side x side pixels, to latents [1, 16, H, W]."""

    def __init__(self, base: Base, side: int) -> None:
        self._base, self._side, self._latents = base, side, dict[Path, Tensor]()

    def __call__(self, image: Path) -> Tensor:
        if image not in self._latents:
            self._latents[image] = self._base.encode(open_pixels(image, self._side))
        return self._latents[image]


class _PairSource:
    """Collapses a method's experts for a style image; gives no pairs without a method.

    Attributes:
        objective: the training options that the loss depends on.
        identity: text that changes with the method's settings and its file.
    """

    def __init__(self, method: StyleMethod | None, base: Base, side: int) -> None:
        self._method, self._base, self._side = method, base, side
        self._expert = StyleExpert.open(method.file) if method else None
        training = (self._expert.training or {}) if self._expert else {}
        guidance = training.get("guidance", PRESETS["small"].objective.guidance)
        reference = method is not None and method.style_reference
        # Stock nodes give a second reference without a shift of its rows, and the small presets train it so.
        self.objective = replace(PRESETS["small"].objective, style_reference=reference, style_rows=0, guidance=guidance)
        shared_only = bool(method and method.shared_expert_only)
        self.identity = f"{method.condition} {shared_only} {file_digest(method.file)}" if method else NO_EXPERTS

    def pairs(self, image: Path) -> dict[str, LowRank]:
        if self._method is None or self._expert is None:
            return {}
        style = self._embedding(self._expert, image)
        return shared_expert(self._expert) if self._method.shared_expert_only else self._expert.collapse(style)

    @cached_property
    def _vision(self) -> Vision:
        return load_vision("tiny")

    def _embedding(self, expert: StyleExpert, image: Path) -> Tensor | None:
        match self._method.condition:
            case "style-encoder":
                return embed_styles(expert, self._vision, [image])
            case "pooled-latents":
                return pooled_latents(self._base, image, self._side)
            case _:
                return None


def _key(source: _PairSource, base: Base, row: Triplet, number: int, side: int) -> str:
    """Text that changes with everything that a loss depends on."""
    images = [file_digest(path) for path in (row.content, row.stylised, row.reference)]
    settings = str((source.objective, LEVELS, number, side, row.prompt))
    return digest(source.identity, base.identity, settings, *images)


@torch.no_grad()
def _loss(
    transformer: nn.Module, source: _PairSource, base: Base, latents: _LatentCache, row: Triplet, number: int
) -> float:
    content, stylised, reference = (
        latents(path).expand(LEVELS, -1, -1, -1) for path in (row.content, row.stylised, row.reference)
    )
    states, pooled = base.encode_prompts([row.prompt])
    text = states.expand(LEVELS, -1, -1), pooled.expand(LEVELS, -1)
    batch = TripletBatch(content, stylised, reference, text, None, (0, 0), (0, 0))
    generator = torch.Generator().manual_seed(number)
    noise = torch.randn(stylised.shape, generator=generator)
    sigma = sampler_sigmas(LEVELS, generator)
    with added_to_weights(transformer, source.pairs(row.reference)), cpu_autocast():
        return flow_matching_loss(transformer, batch, noise, sigma, BatchStyle(), source.objective).item()
