"""Editing instructions with exact targets: what the tiny Kontext is taught to do, to an image or to one object."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageFilter

Edit = Callable[[np.ndarray], np.ndarray]


def black_and_white(image: np.ndarray) -> np.ndarray:
    """Luminance (Rec. 601) in all three channels."""
    luminance = image @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    return np.repeat(luminance[..., None], 3, axis=2)


def brighter(image: np.ndarray) -> np.ndarray:
    """Gamma 0.55."""
    return image**0.55


def darker(image: np.ndarray) -> np.ndarray:
    """Gamma 1.3 at 0.6 of the light."""
    return 0.6 * image**1.3


def warmer(image: np.ndarray) -> np.ndarray:
    """More red, less blue."""
    return np.clip(image * np.array([1.25, 1.0, 0.65], dtype=np.float32), 0, 1)


def colder(image: np.ndarray) -> np.ndarray:
    """More blue, less red."""
    return np.clip(image * np.array([0.65, 1.0, 1.25], dtype=np.float32), 0, 1)


def blurry(image: np.ndarray) -> np.ndarray:
    """Gaussian blur, radius 1/64 of the width."""
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
"""The words of an instruction and what they do to pixels [H, W, 3] in 0..1."""

KEEP = "keep the image as it is"


def instruction(edit: str, thing: str | None = None) -> str:
    """The prompt for an edit of the whole image, or of one named thing."""
    return f"make the {thing or 'image'} {edit}"


def apply_edit(edit: str, image: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
    """Apply an edit to [H, W, 3] in 0..1, everywhere or blended by ``mask`` [H, W] in 0..1."""
    changed = EDITS[edit](image)
    return changed if mask is None else image + mask[..., None] * (changed - image)
