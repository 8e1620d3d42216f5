"""Draws captions below images, because ComfyUI's page shows images in a node, but no text."""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

BACKGROUND, INK = (24, 24, 24), (240, 240, 240)
MIN_FONT_SIZE = 12
"""Smallest font size, in pixels. A node enlarges small images, and their captions."""
CHARACTERS_PER_LINE = 56
"""Characters of average width per line below a large image, which a node shows about 300 pixels wide."""
MAX_LINES = 2
"""Upper limit for the lines of one paragraph. The rest of a long phrase is cut off."""

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def captioned(image: Tensor, paragraphs: Sequence[str]) -> Tensor:
    """Adds a strip of text below an image [H, W, 3]: [H + strip, W, 3]."""
    strip = caption(image.shape[1], paragraphs)
    return torch.cat([image, strip.to(image)])


def caption(width: int, paragraphs: Sequence[str]) -> Tensor:
    """A dark strip [h, width, 3] in 0..1. Each paragraph starts a new line; empty paragraphs are skipped."""
    size = max(MIN_FONT_SIZE, round(width / CHARACTERS_PER_LINE * 2))
    font = ImageFont.load_default(size)
    margin, line_height = size // 2, round(size * 1.3)
    lines = [line for text in paragraphs if text for line in _lines(text, font, width - 2 * margin)]
    strip = Image.new("RGB", (width, line_height * len(lines) + margin), BACKGROUND)
    draw = ImageDraw.Draw(strip)
    for number, line in enumerate(lines):
        draw.text((margin, margin // 2 + number * line_height), line, INK, font)
    return torch.from_numpy(np.array(strip)).float() / 255


def _lines(text: str, font: Font, width: float) -> list[str]:
    """Wraps text into at most MAX_LINES lines. An ellipsis marks text that was cut off."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    kept = lines[:MAX_LINES]
    if len(lines) > MAX_LINES:
        kept[-1] += " ..."
    return [_shortened(line, font, width) for line in kept]


def _shortened(line: str, font: Font, width: float) -> str:
    """Shortens a line with an ellipsis until it fits."""
    if font.getlength(line) <= width:
        return line
    kept = line.removesuffix(" ...")
    while kept and font.getlength(f"{kept}...") > width:
        kept = kept[:-1]
    return f"{kept}..."
