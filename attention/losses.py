"""RegionRoute's Focus and Cover losses: a style's attention map against the mask of its object."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import AttentionError


@dataclass(frozen=True)
class AttentionLosses:
    """The choices that the paper and its release make differently.

    Attributes:
        tau: temperature of the Focus loss.
        alpha: contrast of the Cover loss.
        relative: tau and alpha count in units of the map's own mean; otherwise in units of attention.
        direction: of the Focus loss's divergence, KL(map || mask) or KL(mask || map).
        focus_weight, cover_weight: their factors beside the flow matching loss.
        epsilon: share of a uniform distribution in norm(mask), so that its logarithm is finite.
        slice: which keys the map's softmax runs over, `span_attention`'s `normalise`.
        over_spans: spans of an image are summed (paper) or averaged (release).
    """

    tau: float
    alpha: float
    relative: bool
    direction: Literal["map||mask", "mask||map"]
    focus_weight: float
    cover_weight: float
    epsilon: float
    slice: Literal["all", "span"]
    over_spans: Literal["sum", "mean"]

    def __post_init__(self) -> None:
        if min(self.tau, self.alpha, self.epsilon) <= 0:
            raise AttentionError(
                f"tau {self.tau}, alpha {self.alpha} and epsilon {self.epsilon} must all be above 0; see PRESETS."
            )


# The paper does not give tau and alpha. A softmax over N keys leaves values of about 1 / N (N = 8,704 at 1024 x 1024):
# with the release's numbers softmax(M / tau) would be even and alpha M zero, whatever the map, and neither loss would
# teach anything. Ours therefore count in the map's own mean, whatever N is. The perfect map of an object on a quarter
# of the image is then 4 inside and 0 outside: at tau 0.5 its softmax is the object (e^8 to 1), but that of a map on
# the way there is not yet, so that Focus goes on; at alpha 4 Cover is content inside (logit 16), and even where an
# object fills half the image (logit 8). Adam on free maps then puts 97 % and more inside with both losses together,
# evenly, for objects of 6, 25 and 56 % of the image, and leaves the map's mean between 0.9 and 4.8 times what it was.
PRESETS = {
    "paper": AttentionLosses(
        tau=0.5,
        alpha=4.0,
        relative=True,
        direction="map||mask",
        focus_weight=0.1,
        cover_weight=0.2,
        epsilon=1e-4,
        slice="all",
        over_spans="sum",
    ),
    "release": AttentionLosses(
        tau=0.1,
        alpha=2.0,
        relative=False,
        direction="mask||map",
        focus_weight=0.1,
        cover_weight=5e-5,
        epsilon=1e-4,
        slice="span",
        over_spans="mean",
    ),
}


def focus_loss(maps: Tensor, masks: Tensor, *, preset: AttentionLosses | str = "paper") -> Tensor:
    """Is the attention where the object is? KL between softmax(M / tau) and norm(mask) over the cells.

    A span whose mask is empty is left out: it has no object.

    Args:
        maps, masks: [B, S, h * w] or [B, S, h, w]; masks from 0 to 1.
        preset: "paper", "release", or choices of your own.

    Returns:
        A scalar: summed (or averaged) over an image's spans, mean over images.

    Raises:
        AttentionError: sizes that do not fit, or no mask with anything in it.
    """
    preset = _preset(preset)
    maps, masks = _cells(maps, masks)
    log_map = (_levels(maps, preset) / preset.tau).log_softmax(dim=-1)
    target = masks / masks.sum(dim=-1, keepdim=True).clamp_min(torch.finfo(masks.dtype).tiny)
    target = (1 - preset.epsilon) * target + preset.epsilon / masks.shape[-1]
    if preset.direction == "map||mask":
        divergence = log_map.exp() * (log_map - target.log())
    else:
        divergence = target * (target.log() - log_map)
    return _reduce(divergence.sum(dim=-1), masks, preset)


def cover_loss(maps: Tensor, masks: Tensor, *, preset: AttentionLosses | str = "paper") -> Tensor:
    """Does the attention fill the object? Binary cross-entropy of alpha M as logits against the mask, mean over cells.

    Arguments, result and errors as for `focus_loss`.
    """
    preset = _preset(preset)
    maps, masks = _cells(maps, masks)
    logits = preset.alpha * _levels(maps, preset)
    entropy = F.binary_cross_entropy_with_logits(logits, masks, reduction="none")
    return _reduce(entropy.mean(dim=-1), masks, preset)


def _preset(preset: AttentionLosses | str) -> AttentionLosses:
    if isinstance(preset, AttentionLosses):
        return preset
    if preset not in PRESETS:
        raise AttentionError(f'There is no preset "{preset}" of the attention losses; choose {" or ".join(PRESETS)}.')
    return PRESETS[preset]


def _cells(maps: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
    if maps.ndim not in (3, 4) or masks.ndim not in (3, 4) or maps.flatten(2).shape != masks.flatten(2).shape:
        raise AttentionError(
            f"Maps {list(maps.shape)} and masks {list(masks.shape)} do not fit; both are [batch, spans, h, w] "
            "or [batch, spans, h * w]: bring the masks to the maps' cells with `resize`."
        )
    wide = torch.promote_types(maps.dtype, torch.float32)
    masks = masks.flatten(2).to(wide)
    if not masks.any():
        raise AttentionError("Every mask is empty, so there is nothing to supervise; give the objects' masks.")
    return maps.flatten(2).to(wide), masks


def _levels(maps: Tensor, preset: AttentionLosses) -> Tensor:
    """Maps in the unit of the preset.

    The mean belongs to what is learned: both losses ask for the map's shape alone. Were it a constant, Cover of the
    cells outside, which are most, would pull the whole map down, and the unit with it: a network that does not tell
    the object yet stops reading the style's words within 50 steps.
    """
    if not preset.relative:
        return maps
    return maps / maps.mean(dim=-1, keepdim=True).clamp_min(torch.finfo(maps.dtype).tiny)


def _reduce(losses: Tensor, masks: Tensor, preset: AttentionLosses) -> Tensor:
    """[B, S] -> scalar over the spans that have an object."""
    present = masks.any(dim=-1)
    total = (losses * present).sum()
    return total / (len(losses) if preset.over_spans == "sum" else present.sum())
