"""Flow-matching loss with a larger weight for the latent pixels that an edit changes."""

from torch import Tensor

CHANGED = 0.25
"""Smallest mean absolute difference of two latents at which a cell counts as changed. The small Kontext's latents have
unit variance."""


def weigh_changed(error: Tensor, target: Tensor, original: Tensor, weight: float) -> Tensor:
    """Weighted mean of a squared error. Changed cells weigh more, so that a small object counts against the rest.

    The optimum of a cell does not depend on the cell's weight, so the optimum of the loss stays the same.

    Args:
        error: [B, H, W], averaged over the channels.
        target, original: latents [B, C, H, W]; a cell is changed if they differ by more than CHANGED on average.
        weight: weight of changed cells; other cells have the weight 1.
    """
    changed = (target - original).abs().mean(1) > CHANGED
    weights = 1 + (weight - 1) * changed
    return (error * weights).sum() / weights.sum()
