"""Words below an image, as pixels: ComfyUI's page shows images in a node, but no text."""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

BACKGROUND, INK = (24, 24, 24), (240, 240, 240)
SMALLEST_FONT = 12
"""In pixels; small images are shown larger than they are."""
CHARACTERS = 56
"""Of average width, that a large image has room for in a line: a node shows it at some 300 pixels."""
MOST_LINES = 2
"""Of one paragraph; the rest of a long phrase is left out."""


def captioned(image: Tensor, paragraphs: Sequence[str]) -> Tensor:
    """An image [H, W, 3] with a strip of text below it, [H + strip, W, 3]."""
    strip = caption(image.shape[1], paragraphs)
    return torch.cat([image, strip.to(image)])


def caption(width: int, paragraphs: Sequence[str]) -> Tensor:
    """A dark strip [h, width, 3] in 0..1 with each paragraph on lines of its own; empty ones take none."""
    size = max(SMALLEST_FONT, round(width / CHARACTERS * 2))
    font = ImageFont.load_default(size)
    margin, line_height = size // 2, round(size * 1.3)
    lines = [line for text in paragraphs if text for line in _lines(text, font, width - 2 * margin)]
    strip = Image.new("RGB", (width, line_height * len(lines) + margin), BACKGROUND)
    draw = ImageDraw.Draw(strip)
    for number, line in enumerate(lines):
        draw.text((margin, margin // 2 + number * line_height), line, INK, font)
    return torch.from_numpy(np.array(strip)).float() / 255


def _lines(text: str, font: ImageFont.FreeTypeFont, width: float) -> list[str]:
    """At most MOST_LINES that fit; where the text is longer, the last ends with an ellipsis."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    kept = lines[:MOST_LINES]
    if len(lines) > MOST_LINES:
        kept[-1] += " ..."
    return [_shortened(line, font, width) for line in kept]


def _shortened(line: str, font: ImageFont.FreeTypeFont, width: float) -> str:
    """The line, or as much of it as fits before an ellipsis."""
    if font.getlength(line) <= width:
        return line
    kept = line.removesuffix(" ...")
    while kept and font.getlength(f"{kept}...") > width:
        kept = kept[:-1]
    return f"{kept}..."
