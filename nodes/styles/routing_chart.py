"""Draws a routing as a heat map of layers and experts. Needs torch and Pillow only."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from .style_types import RoutingTable

CELL_WIDTH, CELL_HEIGHT = 38, 18
MARGIN, TITLE_HEIGHT, HEAD_HEIGHT, GAP = 16, 52, 24, 12
MAX_ROWS = 64
"""Upper limit for the rows of one panel. Kontext has up to 500 layers: longer lists are split into panels of equal
height, side by side."""

PAPER, INK, LINE = (255, 255, 255), (32, 36, 44), (226, 229, 234)
NONE, FULL = (244, 246, 250), (20, 66, 140)
SHARED_LABEL = "all"


def contributions(table: RoutingTable) -> tuple[Tensor, list[str]]:
    """The weight of each expert of one style, before the common scale, [layers, columns]; labels of the columns.

    In "paper" the shared expert has weight 1, and the routed experts have their own weights. In "release-1" the shared
    expert takes the first routed expert's weight, each routed expert takes the next one's, and the last one gets 0.
    """
    rows = torch.zeros(len(table.layers), 1 + table.num_experts)
    for row, routing in zip(rows, table.layers.values(), strict=True):
        shared, weights = torch.ones(1), routing.weights[0].float().cpu()
        if table.arithmetic == "release-1" and table.has_shared:
            shared, weights = weights[:1], torch.cat([weights[1:], torch.zeros(1)])
        row[0] = shared[0]
        row[1 + routing.indices[0].cpu()] = weights
    if table.has_shared:
        return rows, [SHARED_LABEL, *table.labels]
    return rows[:, 1:], list(table.labels)


def routing_chart(table: RoutingTable) -> Tensor:
    """One heat map for each style, as images [styles, height, width, 3] in 0..1."""
    return torch.cat([_to_tensor(_Chart(style).draw()) for style in table.single_styles])


def empty_chart(sentence: str) -> Tensor:
    """A chart without a routing, which shows a sentence instead: [1, height, width, 3] in 0..1."""
    font = ImageFont.load_default(18)
    width = 2 * MARGIN + int(font.getlength(sentence)) + 1
    image = Image.new("RGB", (width, 2 * MARGIN + TITLE_HEIGHT), PAPER)
    ImageDraw.Draw(image).text((width / 2, image.height / 2), sentence, INK, font, anchor="mm")
    return _to_tensor(image)


def short_name(layer: str) -> str:
    """Shortens `single_transformer_blocks.5.attn.to_q` to `single 5 attn.to_q`."""
    for block, short in (("single_transformer_blocks.", "single"), ("transformer_blocks.", "double")):
        if layer.startswith(block):
            index, _, rest = layer.removeprefix(block).partition(".")
            return f"{short} {index} {rest}"
    return layer


class _Chart:
    """Measures the texts first, then draws title, panels, rows and cells."""

    def __init__(self, table: RoutingTable):
        self.font, self.title_font = ImageFont.load_default(12), ImageFont.load_default(18)
        self.values, self.labels = contributions(table)
        self.names = [short_name(layer) for layer in table.layers]
        self.title, self.note = f"Routing in {table.source}", _note(table)
        self.rows = math.ceil(len(self.names) / math.ceil(len(self.names) / MAX_ROWS))
        self.name_width = self._widest(self.names) + GAP
        self.cell_width = max(CELL_WIDTH, self._widest(self.labels) + GAP)

    def draw(self) -> Image.Image:
        image = Image.new("RGB", self._size(), PAPER)
        self.pen = ImageDraw.Draw(image)
        self.pen.text((MARGIN, MARGIN), self.title, INK, self.title_font)
        self.pen.text((MARGIN, MARGIN + 26), self.note, INK, self.font)
        for panel, start in enumerate(self._starts()):
            left = MARGIN + self.name_width + panel * self._panel_width()
            self._draw_labels(left)
            for row in range(start, min(start + self.rows, len(self.names))):
                self._draw_row(left, MARGIN + TITLE_HEIGHT + HEAD_HEIGHT + (row - start) * CELL_HEIGHT, row)
        return image

    def _size(self) -> tuple[int, int]:
        panels = len(self._starts()) * self._panel_width() - 2 * GAP
        texts = max(self._widest([self.note]), int(self.title_font.getlength(self.title)) + 1)
        return 2 * MARGIN + max(panels, texts), 2 * MARGIN + TITLE_HEIGHT + HEAD_HEIGHT + self.rows * CELL_HEIGHT

    def _starts(self) -> range:
        return range(0, len(self.names), self.rows)

    def _panel_width(self) -> int:
        return self.name_width + self.cell_width * len(self.labels) + 2 * GAP

    def _widest(self, texts: Sequence[str]) -> int:
        return int(max(self.font.getlength(text) for text in texts)) + 1

    def _draw_labels(self, left: int) -> None:
        for column, label in enumerate(self.labels):
            middle = (left + (column + 0.5) * self.cell_width, MARGIN + TITLE_HEIGHT + HEAD_HEIGHT / 2)
            self.pen.text(middle, label, INK, self.font, anchor="mm")

    def _draw_row(self, left: int, top: int, row: int) -> None:
        self.pen.text((left - GAP, top + CELL_HEIGHT / 2), self.names[row], INK, self.font, anchor="rm")
        for column, value in enumerate(self.values[row].tolist()):
            x = left + column * self.cell_width
            self.pen.rectangle((x, top, x + self.cell_width, top + CELL_HEIGHT), _shade(value), LINE)
            if value > 0:
                middle = (x + self.cell_width / 2, top + CELL_HEIGHT / 2)
                self.pen.text(middle, f"{value:.2f}", PAPER if value > 0.5 else INK, self.font, anchor="mm")


def _to_tensor(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(image)).float().div(255).unsqueeze(0)


def _shade(value: float) -> tuple[int, ...]:
    amount = min(max(value, 0.0), 1.0)
    return tuple(round(none + amount * (full - none)) for none, full in zip(NONE, FULL, strict=True))


def _note(table: RoutingTable) -> str:
    shared = f"; '{SHARED_LABEL}' is the shared expert" if table.has_shared else ""
    return f"{len(table.layers)} layers, {table.num_experts} experts, arithmetic: {table.arithmetic}{shared}"
