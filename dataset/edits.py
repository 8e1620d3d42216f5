"""Edits with exact targets, of a whole image or of one object: the training instructions of the small Kontext."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageFilter

Edit = Callable[[np.ndarray], np.ndarray]
"""Pixels [H, W, 3] in 0..1 -> edited pixels of the same shape."""


def black_and_white(image: np.ndarray) -> np.ndarray:
    """Copies the luminance (Rec. 601) into all three channels."""
    luminance = image @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    return np.repeat(luminance[..., None], 3, axis=2)


def brighter(image: np.ndarray) -> np.ndarray:
    """Applies gamma 0.55."""
    return image**0.55


def darker(image: np.ndarray) -> np.ndarray:
    """Applies gamma 1.3 and multiplies by 0.6."""
    return 0.6 * image**1.3


def warmer(image: np.ndarray) -> np.ndarray:
    """Multiplies red by 1.25 and blue by 0.65."""
    return np.clip(image * np.array([1.25, 1.0, 0.65], dtype=np.float32), 0, 1)


def colder(image: np.ndarray) -> np.ndarray:
    """Multiplies blue by 1.25 and red by 0.65."""
    return np.clip(image * np.array([0.65, 1.0, 1.25], dtype=np.float32), 0, 1)


def blurry(image: np.ndarray) -> np.ndarray:
    """Applies a Gaussian blur with a radius of 1/64 of the width."""
    pixels = Image.fromarray((image * 255).round().astype(np.uint8))
    return np.asarray(pixels.filter(ImageFilter.GaussianBlur(image.shape[1] / 64)), dtype=np.float32) / 255


EDITS: dict[str, Edit] = {
    "black and white": black_and_white,
    "brighter": brighter,
    "darker": darker,
    "warmer": warmer,
    "colder": colder,
    "blurry": blurry,
}
"""The edit of each instruction word; it changes pixels [H, W, 3] in 0..1."""

KEEP = "keep the image as it is"
"""The prompt of samples whose target equals the reference."""


def instruction(edit: str, thing: str | None = None) -> str:
    """Returns the prompt for an edit of the whole image, or of one named object."""
    return f"make the {thing or 'image'} {edit}"


def apply_edit(edit: str, image: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
    """Applies an edit to pixels [H, W, 3] in 0..1: everywhere, or blended by ``mask`` [H, W] in 0..1."""
    changed = EDITS[edit](image)
    return changed if mask is None else image + mask[..., None] * (changed - image)
