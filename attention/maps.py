"""Attention maps of one sampling run, and their collector."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ..errors import AttentionError
from ..plain_text import quoted

MEAN = "mean"
"""Block name of a running mean over all blocks."""
MEAN_STEP = -1
"""Step number of a running mean over all steps."""

Choice = Literal["mean", "last", "each"] | int
"""Choice of entries along one axis: their mean, the last entry, each entry, or the entry with this index."""


@dataclass(frozen=True, eq=False)
class AttentionMaps:
    """Attention of every image cell to every span.

    Attributes:
        values: [T, L, S, h, w] float32 on the CPU: steps, blocks, spans, cells.
        spans: S names, such as "man" and "pixel-art".
        blocks: L names, such as "double 0" and "single 3"; ("mean",) for the mean over all blocks.
        steps: T step numbers; (-1,) for the mean over all steps.
    """

    values: Tensor
    spans: tuple[str, ...]
    blocks: tuple[str, ...]
    steps: tuple[int, ...]

    def __post_init__(self) -> None:
        names = [len(self.steps), len(self.blocks), len(self.spans)]
        if self.values.ndim != 5 or list(self.values.shape[:3]) != names or not self.values.numel():
            raise AttentionError(
                f"Found maps of shape {list(self.values.shape)} with names for {names[0]} steps, {names[1]} blocks "
                f"and {names[2]} spans, expected [steps, blocks, spans, h, w] without a 0."
            )

    def aggregate(self, *, steps: Choice = "mean", blocks: Choice = "mean", spans: Choice = "each") -> Tensor:
        """Reduce the maps to [T', L', S', h, w]: "each" keeps an axis whole, any other choice leaves one entry.

        Raises:
            AttentionError: a chosen entry does not exist.
        """
        values = self.values
        choices: dict[str, Choice] = {"steps": steps, "blocks": blocks, "spans": spans}
        for axis, (name, choice) in enumerate(choices.items()):
            values = _choose(values, choice, axis, name)
        return values


class MapCollector:
    """Collects maps while a sampler runs. It is not thread-safe.

    Memory is bounded: along an axis that is not kept, only one map, the running mean, is stored.

    Args:
        spans: names of the S spans.
        keep_steps, keep_blocks: whether to keep the maps of single steps and of single blocks.
    """

    def __init__(self, spans: Sequence[str], *, keep_steps: bool = True, keep_blocks: bool = True) -> None:
        self._spans, self._keep_steps, self._keep_blocks = tuple(spans), keep_steps, keep_blocks
        self.clear()

    def clear(self) -> None:
        """Delete all maps before the next run."""
        self._means: dict[tuple[int, str], tuple[Tensor, int]] = {}

    def add(self, step: int, block: str, maps: Tensor) -> None:
        """Add the maps [S, h, w] of a block at a step. If a block runs several times in a step, its maps are averaged.

        The maps stay on their device until `read`, because each copy from a graphics card would make it wait.

        Raises:
            AttentionError: the number of spans or the size differs from earlier maps.
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
        """The collected maps, with steps and blocks in the order of their arrival.

        A step that lacks blocks of other steps, because it was interrupted, is left out.

        Raises:
            AttentionError: no map was collected.
        """
        if not self._means:
            raise AttentionError("No attention map was captured. Run a sampler with the capturing model first.")
        blocks = tuple(dict.fromkeys(block for _, block in self._means))
        steps = dict.fromkeys(step for step, _ in self._means)
        whole = tuple(step for step in steps if all((step, block) in self._means for block in blocks))
        if not whole:
            raise AttentionError("No step has maps of all captured blocks. Capture the same blocks at every step.")
        values = torch.stack([self._means[step, block][0] for step in whole for block in blocks]).cpu()
        return AttentionMaps(values.unflatten(0, (len(whole), len(blocks))), self._spans, blocks, whole)

    def _require_size(self, maps: Tensor) -> None:
        first = next(iter(self._means.values()), None)
        expected = list(first[0].shape) if first else [len(self._spans), *maps.shape[1:]]
        if maps.ndim != 3 or list(maps.shape) != expected:
            raise AttentionError(
                f"Found maps of shape {list(maps.shape)}, expected {expected} as [spans, h, w]. "
                "Clear the collector before a run of another size."
            )


def _choose(values: Tensor, choice: Choice, axis: int, name: str) -> Tensor:
    if choice == "mean":
        return values.mean(dim=axis, keepdim=True)
    if choice == "each":
        return values
    last = values.shape[axis] - 1
    index = last if choice == "last" else choice
    if not isinstance(index, int) or not 0 <= index <= last:
        raise AttentionError(f"The choice of {name} is {quoted(choice)}, expected mean, last, each or 0 to {last}.")
    return values.narrow(axis, index, 1)
