"""Turns the attention maps of several phrases into masks that share the image: two objects never own the same place."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from ..errors import AttentionError
from .heat import level
from .resizing import blur


@dataclass(frozen=True)
class MaskRule:
    """How maps become masks.

    Attributes:
        threshold: "otsu", or a quantile: 0.8 gives a phrase about the top 20 % of the cells.
        smoothing: sigma, in cells, of the blur before the threshold; it removes the noise of single tokens.
        softness: width of the edge: a cell whose attention is (1 + softness) times the threshold gets about 0.73.
        grow: cells by which a mask grows (above 0) or shrinks (below 0).
        feather: sigma, in cells, of the blur of the finished mask.
    """

    threshold: Literal["otsu"] | float = "otsu"
    smoothing: float = 1.0
    softness: float = 0.15
    grow: int = 0
    feather: float = 0.5

    def __post_init__(self) -> None:
        if self.smoothing < 0 or self.feather < 0 or self.softness <= 0:
            raise AttentionError(
                f"The mask's smoothing is {self.smoothing}, its feather {self.feather} and its softness "
                f"{self.softness}, expected 0 or more, 0 or more, and above 0."
            )


DEFAULT = MaskRule()
"""The rule for settings that nobody chose."""


def phrase_masks(maps: Tensor, rule: MaskRule = DEFAULT) -> Tensor:
    """Masks [..., P, h, w] from 0 to 1 of P phrases; the masks of one cell sum to 1 at most.

    A softmax over the phrases and a background shares each cell. The logit of a phrase is log(a / t) / softness, with
    the attention a of the cell and the threshold t of the phrase's own map; the logit of the background is 0. So one
    phrase alone gets half of a cell at its threshold, and of two phrases the one that is further above its own
    threshold gets the cell.

    Args:
        maps: [..., P, h, w], the attention of each image cell to each phrase; 0 or more.
        rule: threshold, smoothing, softness, grow and feather.

    Raises:
        AttentionError: the threshold is neither "otsu" nor a quantile.
    """
    smooth = blur(maps, rule.smoothing)
    tiny = torch.finfo(smooth.dtype).tiny
    threshold = level(smooth, rule.threshold)[..., None, None]
    logits = (smooth.clamp_min(tiny) / threshold.clamp_min(tiny)).log() / rule.softness
    background = torch.zeros_like(logits.select(-3, 0)).unsqueeze(-3)
    shares = torch.cat([logits, background], dim=-3).softmax(dim=-3).narrow(-3, 0, maps.shape[-3])
    # An even map shows no object. Its logits are 0 everywhere, which would give half of the image to the phrase.
    low, high = maps.amin((-2, -1), keepdim=True), maps.amax((-2, -1), keepdim=True)
    shares = shares.where(high > low, torch.zeros_like(shares))
    return _share(blur(_grown(shares, rule.grow), rule.feather))


def _grown(masks: Tensor, cells: int) -> Tensor:
    """Masks [..., h, w] with edges moved outwards by `cells`, or inwards if `cells` is below 0."""
    if cells == 0:
        return masks
    sign, flat = (1 if cells > 0 else -1), masks.flatten(0, -3).unsqueeze(1)
    window = 2 * abs(cells) + 1
    return (sign * max_pool2d(sign * flat, window, stride=1, padding=abs(cells))).squeeze(1).view_as(masks)


def _share(masks: Tensor) -> Tensor:
    """Masks [..., P, h, w] scaled down where growing made them overlap, so that they sum to 1 at most."""
    return masks / masks.sum(dim=-3, keepdim=True).clamp_min(1)
