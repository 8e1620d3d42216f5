"""Scores of the maps of object phrases against the true masks, by kind of map, block and noise level."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ...attention.localisation import map_iou, object_cells, share_inside
from ...attention.phrase_masks import attention_strength, phrase_masks
from .capturing import Kind

Key = tuple[Kind, int, float]
"""Kind of map, number of objects in the scene, noise level."""


@dataclass(frozen=True)
class Figures:
    """Mean scores over scenes.

    Attributes:
        inside: share of the map inside its object.
        iou: IoU of the map, above Otsu's threshold, with its object.
        own: share of an object's cells that are nearer to their own phrase than to the other one. NaN for one object.
        mask: IoU of the finished mask with its object. The mask is made from the maps as in MoE Apply.
    """

    inside: float
    iou: float
    own: float
    mask: float

    @property
    def score(self) -> float:
        """One number for choosing blocks: IoU times the share of own cells, so that both count alike."""
        return self.iou if self.own != self.own else self.iou * self.own


@dataclass
class MeasuredMaps:
    """The maps of one model on all scenes.

    Attributes:
        blocks: names of all blocks, in the order of the network.
        scenes: for each key, the maps [L, S, h, w], in units of 1 / (h * w), and masks [S, h, w] of each scene.
    """

    blocks: tuple[str, ...]
    scenes: dict[Key, list[tuple[Tensor, Tensor]]] = field(default_factory=dict)
    _scores: dict[tuple[Key, tuple[int, ...]], Tensor] = field(default_factory=dict)

    def add(self, key: Key, maps: Tensor, masks: Tensor) -> None:
        """Store the maps of a scene, in half precision, because a large model has many.

        All are multiplied by the number of cells, so that the attention of many tokens does not vanish. The mean over
        blocks keeps each block's share, as in the nodes.
        """
        self.scenes.setdefault(key, []).append(((maps * masks[0].numel()).half(), masks))

    @property
    def noise(self) -> tuple[float, ...]:
        """The noise levels, in the order in which they were measured."""
        return tuple(dict.fromkeys(level for _, _, level in self.scenes))

    @property
    def counts(self) -> tuple[int, ...]:
        """The numbers of objects of the scenes."""
        return tuple(dict.fromkeys(count for _, count, _ in self.scenes))

    def figures(self, kind: Kind, blocks: Sequence[str], noise: float, count: int | None = None) -> Figures:
        """Mean figures of the mean map of some blocks.

        Args:
            kind: the kind of map.
            blocks: names of blocks.
            noise: the noise level.
            count: the number of objects in a scene; None for all scenes.
        """
        counts = self.counts if count is None else (count,)
        scores = torch.cat([self._scene_scores((kind, each, noise), blocks) for each in counts])
        return Figures(*scores.nanmean(0).tolist())

    def score(self, kind: Kind, blocks: Sequence[str]) -> float:
        """The score of some blocks over all scenes, as the mean over noise levels."""
        return sum(self.figures(kind, blocks, noise).score for noise in self.noise) / len(self.noise)

    def _scene_scores(self, key: Key, blocks: Sequence[str]) -> Tensor:
        """The scores [scenes, 4] of some blocks, in the order of `Figures`. They are computed once."""
        chosen = tuple(sorted(self.blocks.index(block) for block in blocks))
        if (key, chosen) not in self._scores:
            scores = [_scores(maps[list(chosen)].float().mean(0), masks) for maps, masks in self.scenes[key]]
            self._scores[key, chosen] = torch.stack(scores)
        return self._scores[key, chosen]

    def least_attention(self, kind: Kind, blocks: Sequence[str], text: int) -> float:
        """The strength that `PRESENT` of the objects reach in the mean map of some blocks; see `attention_strength`.

        All objects are in their scenes. Words that attract less count as words for an absent object.

        Args:
            kind: the kind of map.
            blocks: names of blocks.
            text: number of text tokens. The model sees the scene as the image and as one reference.
        """
        chosen = [self.blocks.index(block) for block in blocks]
        scenes = (maps for key, group in self.scenes.items() if key[0] == kind for maps, _ in group)
        strengths = []
        for maps in scenes:
            cells = maps[0, 0].numel()  # the stored maps are multiplied by this number
            strengths.append(attention_strength(maps[chosen].float().mean(0) / cells, text + 2 * cells))
        return torch.cat(strengths).quantile(1 - PRESENT).item()

    def best_blocks(self, kind: Kind) -> tuple[str, ...]:
        """The blocks whose mean map scores best, in the order of the network.

        The search starts with the best block, and adds the block that improves the mean map most, as long as one does.
        """
        chosen: tuple[str, ...] = ()
        best = -1.0
        while left := [block for block in self.blocks if block not in chosen]:
            scores = {block: self.score(kind, (*chosen, block)) for block in left}
            block = max(scores, key=scores.__getitem__)
            if scores[block] <= best * LEAST_GAIN:
                break
            chosen, best = (*chosen, block), scores[block]
        return tuple(block for block in self.blocks if block in chosen)


PRESENT = 0.95
"""Share of the objects in their scenes that must count as present."""
LEAST_GAIN = 1.05
"""Factor by which a further block must improve the score: a smaller gain may be chance, with few scenes."""


def nearer_to_own(maps: Tensor, masks: Tensor) -> Tensor:
    """Share of each object's cells that are nearer to their own phrase than to any other, [S]; NaN for one object.

    Each map [S, h, w] is divided by its mean first, because phrases of different length get different attention. Cells
    of several objects do not count.
    """
    if len(maps) < 2:
        return torch.full((1,), torch.nan)
    cells, levels = object_cells(masks), _relative(maps)
    alone = cells & (cells.sum(0) == 1)
    shares = []
    for index, own in enumerate(levels):
        others = torch.cat([levels[:index], levels[index + 1 :]]).amax(0)
        shares.append((own > others)[alone[index]].float().mean())
    return torch.stack(shares)


def _scores(maps: Tensor, masks: Tensor) -> Tensor:
    """The means [4] over the objects of a scene, in the order of `Figures`."""
    parts = share_inside(maps, masks), map_iou(maps, masks), nearer_to_own(maps, masks), _mask_iou(maps, masks)
    return torch.stack([part.nanmean() for part in parts])


def _mask_iou(maps: Tensor, masks: Tensor) -> Tensor:
    """IoU [S] of the cells that the phrases' masks own by half or more with the objects' cells."""
    found, true = phrase_masks(maps) >= 0.5, object_cells(masks)
    return (found & true).sum((-2, -1)) / (found | true).sum((-2, -1)).clamp_min(1)


def _relative(maps: Tensor) -> Tensor:
    """Maps divided by their mean."""
    return maps / maps.mean((-2, -1), keepdim=True).clamp_min(torch.finfo(maps.dtype).tiny)
