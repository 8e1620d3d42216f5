"""RegionRoute's Focus and Cover losses: a style's attention map against the mask of its object."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import AttentionError
from ..plain_text import quoted


@dataclass(frozen=True)
class AttentionLosses:
    """Settings in which the paper and its release differ.

    Attributes:
        tau: temperature of the Focus loss.
        alpha: contrast of the Cover loss.
        relative: whether tau and alpha are in units of the map's mean; otherwise they are in units of attention.
        direction: direction of the Focus loss's divergence, KL(map || mask) or KL(mask || map).
        focus_weight, cover_weight: factors of the two losses; the flow-matching loss has the factor 1.
        epsilon: share of a uniform distribution in norm(mask), which keeps its logarithm finite.
        slice: keys of the map's softmax; see `normalise` of `span_attention`.
        over_spans: whether the losses of an image's spans are summed (paper) or averaged (release).
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
                f"Found tau {self.tau}, alpha {self.alpha} and epsilon {self.epsilon}, expected all above 0. "
                "See PRESETS for usual values."
            )


# The paper does not give tau and alpha. A softmax over N keys gives values of about 1 / N (N = 8,704 at 1024 x 1024).
# With the release's numbers, softmax(M / tau) would then be uniform and alpha M zero for every map: no loss would train
# anything. Our tau and alpha are therefore in units of the map's mean, which does not depend on N.
# In this unit, the perfect map of an object on a quarter of the image is 4 inside and 0 outside. At tau 0.5 the softmax
# of this map equals the object (e^8 to 1). The softmax of a map with less contrast does not, so Focus keeps training.
# At alpha 4 the Cover loss is nearly 0 inside (logit 16), also for an object that fills half the image (logit 8).
# If Adam optimises free maps with both losses, at least 97 % of the attention ends inside, evenly spread. This holds
# for objects of 6, 25 and 56 % of the image. The map's mean stays between 0.9 and 4.8 times its first value.
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
    """Focus loss: the KL divergence between softmax(M / tau) and norm(mask) over the cells.

    It is small when the attention lies on the object only. A span with an empty mask is skipped, as it has no object.

    Args:
        maps, masks: [B, S, h * w] or [B, S, h, w]; masks from 0 to 1.
        preset: "paper", "release", or your own settings.

    Returns:
        A scalar: the sum (or mean) over an image's spans, then the mean over images.

    Raises:
        AttentionError: the sizes do not fit, or every mask is empty.
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
    """Cover loss: the binary cross-entropy between alpha M, as logits, and the mask, averaged over the cells.

    It is small when the attention covers the whole object. Arguments, result and errors are those of `focus_loss`.
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
        raise AttentionError(
            f"Found the attention-loss preset {quoted(preset)}, expected {' or '.join(PRESETS)}. Choose one of these."
        )
    return PRESETS[preset]


def _cells(maps: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
    if maps.ndim not in (3, 4) or masks.ndim not in (3, 4) or maps.flatten(2).shape != masks.flatten(2).shape:
        raise AttentionError(
            f"Maps {list(maps.shape)} and masks {list(masks.shape)} differ in size, expected [batch, spans, h, w] "
            "or [batch, spans, h * w] for both. Resize the masks to the maps' cells with `resize`."
        )
    wide = torch.promote_types(maps.dtype, torch.float32)
    masks = masks.flatten(2).to(wide)
    if not masks.any():
        raise AttentionError("Every mask is empty, so no map can be supervised. Give the objects' masks.")
    return maps.flatten(2).to(wide), masks


def _levels(maps: Tensor, preset: AttentionLosses) -> Tensor:
    """Maps in the preset's unit.

    Divide by the map's mean without detaching it: otherwise Cover on the many outside cells pushes all attention down.
    Both losses then depend on the map's shape only. With a detached mean, a network that does not find the object yet
    stops attending to the style's tokens within 50 steps.
    """
    if not preset.relative:
        return maps
    return maps / maps.mean(dim=-1, keepdim=True).clamp_min(torch.finfo(maps.dtype).tiny)


def _reduce(losses: Tensor, masks: Tensor, preset: AttentionLosses) -> Tensor:
    """Reduce losses [B, S] to a scalar over the spans that have an object."""
    present = masks.any(dim=-1)
    total = (losses * present).sum()
    return total / (len(losses) if preset.over_spans == "sum" else present.sum())
