"""What the methods are trained for, on images that no training has seen: the flow-matching loss of paired noise.

Painted images are judged through the whole of sampling and another network's eyes; the loss is the trainings' own
measure, and with the same noise for all methods it tells small differences.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
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
from ...training.style_encoder.vision import load_vision
from ..images import open_pixels
from ..rows import Row
from .embedding import embed_styles
from .methods import Method
from .pooled import pooled_embedding
from .trials import Trials

NO_EXPERTS = "no experts"
LEVELS = 8
"""Noise levels of each trial, one in each eighth of the sampler's way."""


@dataclass(frozen=True)
class UnseenLoss:
    """A trial's mean squared error of the velocity, over all noise levels."""

    loss: float


def unseen_losses(methods: Sequence[Method], trials: Trials) -> list[Row]:
    """The base without experts, and with each method's."""
    base = load_base("tiny")
    latents = _Latents(base)
    transformer = base.transformer()
    rows = []
    for name, method in {NO_EXPERTS: None, **{method.name: method for method in methods}}.items():
        adapter = _Adapter(method, base)
        numbered = list(enumerate(trials.triplets))
        followed = track(numbered, f"Loss: {name}")
        scores = [UnseenLoss(_loss(transformer, adapter, base, latents, row, number)) for number, row in followed]
        rows.append(Row(name, [number for number, _ in numbered], scores, len(trials.photos)))
    return rows


@contextmanager
def added(transformer: nn.Module, pairs: Mapping[str, LowRank]) -> Iterator[None]:
    """The pairs are added to the layers' weights, which are as before when the block ends."""
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


class _Latents:
    """The images' latents [1, 16, H, W], each encoded once."""

    def __init__(self, base: Base) -> None:
        self._base, self._known = base, dict[Path, Tensor]()

    def __call__(self, image: Path) -> Tensor:
        if image not in self._known:
            self._known[image] = self._base.encode(open_pixels(image))
        return self._known[image]


class _Adapter:
    """What a method adds for a style image; nothing without one."""

    def __init__(self, method: Method | None, base: Base) -> None:
        self._method, self._base = method, base
        self._expert = StyleExpert.open(method.file) if method else None
        trained = (self._expert.training or {}) if self._expert else {}
        guidance = trained.get("guidance", PRESETS["small"].objective.guidance)
        reference = method is not None and method.style_reference
        # Stock nodes give a second reference without a shift of its rows, as the small presets train it.
        self.objective = replace(PRESETS["small"].objective, style_reference=reference, style_rows=0, guidance=guidance)

    def pairs(self, image: Path) -> dict[str, LowRank]:
        if self._method is None or self._expert is None:
            return {}
        style = self._embedding(self._expert, image)
        if not self._method.alone:
            return self._expert.collapse(style)
        routings = self._expert.route(style)
        return self._expert.collapse_routed(
            {layer: replace(routing, weights=0 * routing.weights) for layer, routing in routings.items()}
        )

    def _embedding(self, expert: StyleExpert, image: Path) -> Tensor | None:
        match self._method.reads:
            case "style-encoder":
                return embed_styles(expert, load_vision("tiny"), [image])
            case "pooled-latents":
                return pooled_embedding(self._base, image)
            case _:
                return None


@torch.no_grad()
def _loss(transformer: nn.Module, adapter: _Adapter, base: Base, latents: _Latents, row: Triplet, number: int) -> float:
    content, stylised, reference = (
        latents(path).expand(LEVELS, -1, -1, -1) for path in (row.content, row.stylised, row.reference)
    )
    states, pooled = base.encode_prompts([row.prompt])
    text = states.expand(LEVELS, -1, -1), pooled.expand(LEVELS, -1)
    batch = TripletBatch(content, stylised, reference, text, None, (0, 0), (0, 0))
    generator = torch.Generator().manual_seed(number)
    noise = torch.randn(stylised.shape, generator=generator)
    sigma = sampler_sigmas(LEVELS, generator)
    with added(transformer, adapter.pairs(row.reference)), torch.autocast("cpu", torch.bfloat16):
        return flow_matching_loss(transformer, batch, noise, sigma, BatchStyle(), adapter.objective).item()
