"""Seams and frames: jumps between two rows or two columns of a result that its target does not have."""

import numpy as np


def line_seam(photo: np.ndarray, result: np.ndarray, target: np.ndarray) -> float:
    """The largest jump of the result's error, as a multiple of the photo's own largest jump.

    The error is the difference of result and target, so jumps of the target do not count. All images are
    [H, W, 3] in 0..1. The value is 0 for a result that equals its target. Lost texture counts, too: an image that only
    passed through the small Kontext's VAE has 0.3 to 0.7.
    """
    own, found = largest_jump(photo), largest_jump(result - target)
    if not own:
        return np.inf if found else 0.0
    return found / own


def largest_jump(image: np.ndarray) -> float:
    """The largest difference of two neighbouring rows or columns: mean absolute difference along the whole line."""
    rows = np.abs(np.diff(image, axis=0)).mean((1, 2))
    columns = np.abs(np.diff(image, axis=1)).mean((0, 2))
    return float(max(rows.max(), columns.max()))
