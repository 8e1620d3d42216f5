"""Turns the attention maps of several phrases into masks that share the image: two objects never own the same place."""

from collections.abc import Sequence
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


STRONGEST = 0.95
"""Quantile of the cells that gives the strength of a map."""
FAINT = 0.01
"""Smaller values of a mask become 0: they change nothing that is seen, but the styles would be computed there."""
DEFAULT = MaskRule()
"""The rule for settings that nobody chose."""


def phrase_masks(maps: Tensor, rules: Sequence[MaskRule] | MaskRule = DEFAULT) -> Tensor:
    """Masks [..., P, h, w] from 0 to 1 of P phrases; the masks of one cell sum to 1 at most.

    A softmax over the phrases and a background shares each cell. The logit of a phrase is log(a / t) / softness, with
    the attention a of the cell and the threshold t of the phrase's own map; the logit of the background is 0. So one
    phrase alone gets half of a cell at its threshold, and of two phrases the one that is further above its own
    threshold gets the cell.

    Args:
        maps: [..., P, h, w], the attention of each image cell to each phrase; 0 or more.
        rules: the rule of each phrase, or one rule for all of them.

    Raises:
        AttentionError: a threshold is neither "otsu" nor a quantile.
    """
    phrases = maps.unbind(dim=-3)
    rules = [rules] * len(phrases) if isinstance(rules, MaskRule) else rules
    logits = [_logits(cells, rule) for cells, rule in zip(phrases, rules, strict=True)]
    shares = torch.stack([*logits, torch.zeros_like(logits[0])], dim=-3).softmax(dim=-3).unbind(dim=-3)
    finished = [
        blur(_grown(share, rule.grow), rule.feather) for share, rule in zip(shares[: len(phrases)], rules, strict=True)
    ]
    masks = _share(torch.stack(finished, dim=-3))
    return masks.where(masks >= FAINT, torch.zeros_like(masks))


def attention_strength(maps: Tensor, tokens: int) -> Tensor:
    """How strongly a phrase attracts its cells, [...] of maps [..., h, w]: the level of the strongest 5 % of the cells.

    The unit is an even share, 1 / tokens, so that images of any size and any number of references compare. Words for
    an object that is not in the image attract less, but not always.

    Args:
        maps: the attention of each image cell to the phrase.
        tokens: number of tokens that share the attention of a cell: text, image and references.
    """
    ordered = maps.flatten(-2).sort(dim=-1).values  # Apple's devices have no `kthvalue`
    return ordered[..., round(STRONGEST * (ordered.shape[-1] - 1))] * tokens


def _logits(cells: Tensor, rule: MaskRule) -> Tensor:
    """Logits [..., h, w] of one phrase, 0 at the threshold of its map; far below 0 for an even map."""
    smooth = blur(cells, rule.smoothing)
    tiny = torch.finfo(smooth.dtype).tiny
    threshold = level(smooth, rule.threshold)[..., None, None]
    logits = (smooth.clamp_min(tiny) / threshold.clamp_min(tiny)).log() / rule.softness
    # An even map shows no object. Its logits are 0 everywhere, which would give half of the image to the phrase.
    low, high = cells.amin((-2, -1), keepdim=True), cells.amax((-2, -1), keepdim=True)
    return logits.where(high > low, torch.full_like(logits, -1e4))


def _grown(mask: Tensor, cells: int) -> Tensor:
    """A mask [..., h, w] with its edge moved outwards by `cells`, or inwards if `cells` is below 0."""
    if cells == 0:
        return mask
    sign, window = (1 if cells > 0 else -1), 2 * abs(cells) + 1
    flat = sign * mask.reshape(-1, 1, *mask.shape[-2:])
    return (sign * max_pool2d(flat, window, stride=1, padding=abs(cells))).view_as(mask)


def _share(masks: Tensor) -> Tensor:
    """Masks [..., P, h, w] scaled down where growing made them overlap, so that they sum to 1 at most."""
    return masks / masks.sum(dim=-3, keepdim=True).clamp_min(1)
