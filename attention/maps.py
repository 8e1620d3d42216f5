"""Captured maps of a run, gathered while a sampler runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ..errors import AttentionError

MEAN = "mean"
"""Stands for the blocks, where they were averaged while they came."""
MEAN_STEP = -1
"""Stands for the steps, where they were averaged while they came."""

Choice = Literal["mean", "last", "each"] | int
"""Of an axis: its mean, its last entry, all of them, or the entry at a place."""


@dataclass(frozen=True, eq=False)
class AttentionMaps:
    """Attention of every cell of the image to every span.

    Attributes:
        values: [T, L, S, h, w] float32 on the CPU: steps, blocks, spans, cells.
        spans: S names, such as "man" and "pixel-art".
        blocks: L names, such as "double 0" and "single 3"; ("mean",) for their mean.
        steps: T numbers of steps; (-1,) for their mean.
    """

    values: Tensor
    spans: tuple[str, ...]
    blocks: tuple[str, ...]
    steps: tuple[int, ...]

    def __post_init__(self) -> None:
        names = [len(self.steps), len(self.blocks), len(self.spans)]
        if self.values.ndim != 5 or list(self.values.shape[:3]) != names or not self.values.numel():
            raise AttentionError(
                f"Maps of shape {list(self.values.shape)} came with the names of {names[0]} steps, {names[1]} blocks "
                f"and {names[2]} spans; expected [steps, blocks, spans, h, w], none of them 0."
            )

    def aggregate(self, *, steps: Choice = "mean", blocks: Choice = "mean", spans: Choice = "each") -> Tensor:
        """The maps [T', L', S', h, w]: an axis stays whole for "each" and has one entry otherwise.

        Raises:
            AttentionError: there is no such entry.
        """
        values = self.values
        for axis, (name, choice) in enumerate({"steps": steps, "blocks": blocks, "spans": spans}.items()):
            values = _choose(values, choice, axis, name)
        return values


class MapCollector:
    """Gathers maps while a sampler runs; not safe for several threads at once.

    Memory is bounded: an axis that is not kept is a running mean, of one map whatever the number of steps or blocks.

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
        """Takes the maps [S, h, w] of a block at a step; those of a block that runs again in a step are averaged.

        They stay on their device until they are read: a graphics card would have to wait for each that is fetched.

        Raises:
            AttentionError: another number of spans, or another size than before.
        """
        self._require_size(maps)
        key = (step if self._keep_steps else MEAN_STEP, block if self._keep_blocks else MEAN)
        maps = maps.detach()
        if key not in self._means:
            self._means[key] = maps.to(torch.float32, copy=True), 1
            return
        mean, count = self._means[key]
        self._means[key] = mean + (maps.to(mean) - mean) / (count + 1), count + 1

    def read(self) -> AttentionMaps:
        """What was gathered, with steps and blocks in the order they came.

        A step that was interrupted, so that it lacks blocks that others have, is left out.

        Raises:
            AttentionError: nothing was gathered.
        """
        if not self._means:
            raise AttentionError("No attention map was captured; run a sampler with the capturing model first.")
        blocks = tuple(dict.fromkeys(block for _, block in self._means))
        steps = dict.fromkeys(step for step, _ in self._means)
        whole = tuple(step for step in steps if all((step, block) in self._means for block in blocks))
        if not whole:
            raise AttentionError("No step was captured with the same blocks as another; capture the same ones in each.")
        values = torch.stack([self._means[step, block][0] for step in whole for block in blocks]).cpu()
        return AttentionMaps(values.unflatten(0, (len(whole), len(blocks))), self._spans, blocks, whole)

    def _require_size(self, maps: Tensor) -> None:
        first = next(iter(self._means.values()), None)
        expected = list(first[0].shape) if first else [len(self._spans), *maps.shape[1:]]
        if maps.ndim != 3 or list(maps.shape) != expected:
            raise AttentionError(
                f"Maps of shape {list(maps.shape)} came, expected {expected} as [spans, h, w]; "
                "clear the collector before a run of another size."
            )


def _choose(values: Tensor, choice: Choice, axis: int, name: str) -> Tensor:
    if choice == "mean":
        return values.mean(dim=axis, keepdim=True)
    if choice == "each":
        return values
    last = values.shape[axis] - 1
    place = last if choice == "last" else choice
    if not isinstance(place, int) or not 0 <= place <= last:
        raise AttentionError(f"{choice!r} of the {name} was asked for; expected mean, last, each or 0 to {last}.")
    return values.narrow(axis, place, 1)
