"""Captured maps of a run, and what is made of them: heat maps and soft masks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from .errors import AttentionError
from .resizing import blur, resize

MEAN = "mean"
MEAN_STEP = -1
"""Stand for an axis that was averaged while it was captured."""

Choice = Literal["mean", "last", "each"] | int


@dataclass(frozen=True)
class AttentionMaps:
    """Attention of every cell of the picture to every span.

    Attributes:
        values: [T, L, S, h, w] float32 on the CPU: steps, blocks, spans, cells.
        spans: S names, such as "man" and "pixel-art".
        blocks: L names, such as "double 0" and "single 3"; "mean" for their mean.
        steps: T numbers of steps; -1 for their mean.
    """

    values: Tensor
    spans: tuple[str, ...]
    blocks: tuple[str, ...]
    steps: tuple[int, ...]

    def __post_init__(self) -> None:
        expected = (len(self.steps), len(self.blocks), len(self.spans))
        if self.values.ndim != 5 or tuple(self.values.shape[:3]) != expected:
            raise AttentionError(
                f"Maps of shape {list(self.values.shape)} were given for {expected[0]} steps, {expected[1]} blocks and "
                f"{expected[2]} spans; the shape is [steps, blocks, spans, h, w]."
            )

    def aggregate(self, *, steps: Choice = "mean", blocks: Choice = "mean") -> Tensor:
        """[T', L', S, h, w]: T' and L' are 1 for "mean", "last" or a place in the axis, and stay whole for "each"."""
        return _choose(_choose(self.values, steps, 0, "steps"), blocks, 1, "blocks")

    def span(self, name: str) -> int:
        """The place of a span.

        Raises:
            AttentionError: there is none of this name.
        """
        if name not in self.spans:
            raise AttentionError(f'No map of "{name}" was captured; there are maps of {", ".join(self.spans)}.')
        return self.spans.index(name)


def heat_map(maps: Tensor) -> Tensor:
    """Maps [..., h, w] from 0 (their least) to 1 (their most); an even map is 0 everywhere."""
    low, high = maps.amin(dim=(-2, -1), keepdim=True), maps.amax(dim=(-2, -1), keepdim=True)
    return (maps - low) / (high - low).clamp_min(torch.finfo(maps.dtype).tiny)


def soft_mask(heat: Tensor, threshold: Literal["otsu"] | float = "otsu", smoothing: float = 1.0) -> Tensor:
    """What is above the threshold, with a soft edge: [..., h, w] from 0 to 1.

    Args:
        heat: [..., h, w].
        threshold: "otsu", which parts the map into two groups of cells, or a quantile: 0.8 keeps the upper fifth.
        smoothing: width (sigma) in cells of the blur before the threshold and after it; 0: hard edges.

    Raises:
        AttentionError: another threshold.
    """
    smooth = blur(heat, smoothing)
    if threshold == "otsu":
        level = otsu(smooth)
    elif isinstance(threshold, (int, float)) and 0 <= threshold <= 1:
        level = smooth.flatten(-2).quantile(float(threshold), dim=-1)
    else:
        raise AttentionError(f'The threshold is {threshold!r}; expected "otsu" or a quantile from 0 to 1.')
    return blur((smooth > level[..., None, None]).to(heat.dtype), smoothing).clamp(0, 1)


def confidence(values: Tensor) -> float:
    """How sure a map [h, w] is of its object, from 0 (even) to 1: contrast (a - b) / (a + b) of the mean attention a
    inside Otsu's threshold and b outside."""
    inside = values > otsu(values)
    if not inside.any() or inside.all():
        return 0.0
    above, below = values[inside].mean().item(), values[~inside].mean().item()
    return (above - below) / max(above + below, 1e-30)


def otsu(values: Tensor) -> Tensor:
    """Otsu's threshold of maps [..., h, w], [...]: the two groups it parts differ most (largest between-class variance).

    Exact over the values themselves, with no histogram. An even map's threshold is its value: nothing lies above.
    """
    ordered = values.flatten(-2).double().sort(dim=-1).values
    cells = ordered.shape[-1]
    below = ordered.cumsum(dim=-1)
    count = torch.arange(1, cells + 1, dtype=torch.float64, device=values.device)
    total = below[..., -1:]
    # Between-class variance, up to a constant: (mean below - mean of all)^2 weighted by both groups' sizes.
    spread = (total * count / cells - below).square() / (count * (cells - count)).clamp_min(1)
    spread[..., -1] = 0
    return ordered.gather(-1, spread.argmax(dim=-1, keepdim=True)).squeeze(-1).to(values.dtype)


class MapCollector:
    """Gathers maps while a sampler runs; not safe for several threads at once.

    Memory is bounded: an axis that is not kept is a running mean.

    Args:
        spans: names of the S spans.
        keep_steps, keep_blocks: whether maps of single steps and blocks are wanted later.
    """

    def __init__(self, spans: Sequence[str], *, keep_steps: bool = True, keep_blocks: bool = True) -> None:
        self._spans, self._keep_steps, self._keep_blocks = tuple(spans), keep_steps, keep_blocks
        self.clear()

    def clear(self) -> None:
        """Forgets everything, for the next run."""
        self._means: dict[tuple[int, str], tuple[Tensor, int]] = {}

    def add(self, step: int, block: str, maps: Tensor) -> None:
        """Takes maps [S, h, w] of a block at a step; a block that is run again in a step is averaged.

        Raises:
            AttentionError: another number of spans, or another size than before.
        """
        key = (step if self._keep_steps else MEAN_STEP, block if self._keep_blocks else MEAN)
        maps = maps.detach().to("cpu", torch.float32)
        self._require_size(maps)
        mean, count = self._means.get(key, (torch.zeros_like(maps), 0))
        self._means[key] = (mean + (maps - mean) / (count + 1), count + 1)

    def read(self) -> AttentionMaps:
        """What was gathered, steps and blocks in the order they came.

        Raises:
            AttentionError: nothing was, or a block is missing in a step.
        """
        if not self._means:
            raise AttentionError("No attention map was captured; run the sampler with this model first.")
        steps = tuple(dict.fromkeys(step for step, _ in self._means))
        blocks = tuple(dict.fromkeys(block for _, block in self._means))
        # An interrupted run ends within a step: that step is left out.
        whole = tuple(step for step in steps if all((step, block) in self._means for block in blocks))
        values = [torch.stack([self._means[step, block][0] for block in blocks]) for step in whole]
        return AttentionMaps(torch.stack(values), self._spans, blocks, whole)

    def _require_size(self, maps: Tensor) -> None:
        known = next(iter(self._means.values()))[0].shape if self._means else (len(self._spans), *maps.shape[1:])
        if maps.ndim != 3 or tuple(maps.shape) != tuple(known):
            raise AttentionError(
                f"Maps of shape {list(maps.shape)} came, expected {list(known)} ([spans, h, w]); "
                "clear the collector before a run of another size."
            )


def _choose(values: Tensor, choice: Choice, axis: int, name: str) -> Tensor:
    if choice == "mean":
        return values.mean(dim=axis, keepdim=True)
    if choice == "each":
        return values
    place = values.shape[axis] - 1 if choice == "last" else choice
    if not isinstance(place, int) or not 0 <= place < values.shape[axis]:
        raise AttentionError(
            f"{choice!r} of the {name} was asked for; expected mean, last, each or a place below {values.shape[axis]}."
        )
    return values.narrow(axis, place, 1)


__all__ = ["AttentionMaps", "MapCollector", "confidence", "heat_map", "otsu", "resize", "soft_mask"]
