"""Editing instructions with exact targets: what the tiny Kontext is taught to do, to a picture or to one object."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageFilter

Edit = Callable[[np.ndarray], np.ndarray]


def black_and_white(picture: np.ndarray) -> np.ndarray:
    """Luminance (Rec. 601) in all three channels."""
    luminance = picture @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    return np.repeat(luminance[..., None], 3, axis=2)


def brighter(picture: np.ndarray) -> np.ndarray:
    """Gamma 0.55."""
    return picture**0.55


def darker(picture: np.ndarray) -> np.ndarray:
    """Gamma 1.3 at 0.6 of the light."""
    return 0.6 * picture**1.3


def warmer(picture: np.ndarray) -> np.ndarray:
    """More red, less blue."""
    return np.clip(picture * np.array([1.25, 1.0, 0.65], dtype=np.float32), 0, 1)


def colder(picture: np.ndarray) -> np.ndarray:
    """More blue, less red."""
    return np.clip(picture * np.array([0.65, 1.0, 1.25], dtype=np.float32), 0, 1)


def blurry(picture: np.ndarray) -> np.ndarray:
    """Gaussian blur, radius 1/64 of the width."""
    image = Image.fromarray((picture * 255).round().astype(np.uint8))
    return np.asarray(image.filter(ImageFilter.GaussianBlur(picture.shape[1] / 64)), dtype=np.float32) / 255


EDITS: dict[str, Edit] = {
    "black and white": black_and_white,
    "brighter": brighter,
    "darker": darker,
    "warmer": warmer,
    "colder": colder,
    "blurry": blurry,
}
"""The words of an instruction and what they do to pixels [H, W, 3] in 0..1."""

KEEP = "keep the picture as it is"


def instruction(edit: str, thing: str | None = None) -> str:
    """The prompt for an edit of the whole picture, or of one named thing."""
    return f"make the {thing or 'picture'} {edit}"


def apply_edit(edit: str, picture: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
    """Apply an edit to [H, W, 3] in 0..1, everywhere or blended by ``mask`` [H, W] in 0..1."""
    changed = EDITS[edit](picture)
    return changed if mask is None else picture + mask[..., None] * (changed - picture)
