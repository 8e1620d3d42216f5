"""Small copies of style images, by which people recognise a style."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

SIDE = 64
"""Longer side of a thumbnail, in pixels. Its raw pixels take at most 12 KiB."""


def make_thumbnail(image: Tensor) -> Tensor:
    """A small copy, uint8 [h, w, 3], of an image [H, W, C] with values 0..1; grey images become RGB, alpha is dropped.

    The longer side has `SIDE` pixels; smaller images keep their size.
    """
    colours = image[..., :3] if image.shape[-1] >= 3 else image[..., :1].expand(*image.shape[:2], 3)
    scale = min(1.0, SIDE / max(image.shape[:2]))
    height, width = (max(1, round(size * scale)) for size in image.shape[:2])
    pixels = functional.interpolate(colours.float().movedim(-1, 0)[None], (height, width), mode="area")[0]
    return (pixels.movedim(0, -1).nan_to_num().clamp(0, 1) * 255).round().to(torch.uint8)


def side_by_side(thumbnails: Sequence[Tensor]) -> Tensor | None:
    """One thumbnail that shows a strip of each thumbnail; None without any, and the only one unchanged."""
    if len(thumbnails) < 2:
        return thumbnails[0] if thumbnails else None
    shown = thumbnails[:SIDE]
    edges = [round(SIDE * number / len(shown)) for number in range(len(shown) + 1)]
    strips = [
        _square(thumbnail)[:, start:stop] for thumbnail, start, stop in zip(shown, edges[:-1], edges[1:], strict=True)
    ]
    return torch.cat(strips, dim=1)


def _square(thumbnail: Tensor) -> Tensor:
    pixels = thumbnail.float().movedim(-1, 0)[None]
    resized = functional.interpolate(pixels, (SIDE, SIDE), mode="bilinear", antialias=True)[0]
    return resized.movedim(0, -1).round().clamp(0, 255).to(torch.uint8)
