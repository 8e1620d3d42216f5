"""A flow-matching loss in which the latent cells that an edit changes weigh more."""

from torch import Tensor

CHANGED = 0.25
"""Mean absolute difference of latents from which a cell counts as changed; the small Kontext's have unit variance."""


def weigh_changed(error: Tensor, target: Tensor, original: Tensor, weight: float) -> Tensor:
    """Mean of a squared error where cells that the target changes weigh more: a small object is not drowned.

    What is best for a cell does not depend on its weight, so that the optimum stays.

    Args:
        error: [B, H, W], averaged over the channels.
        target, original: latents [B, C, H, W]; a cell is changed where they differ by CHANGED on average.
        weight: of changed cells, 1 being that of the others.
    """
    changed = (target - original).abs().mean(1) > CHANGED
    weights = 1 + (weight - 1) * changed
    return (error * weights).sum() / weights.sum()
