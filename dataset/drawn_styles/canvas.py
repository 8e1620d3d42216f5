"""What every drawn style begins with: a photo's colours, a smooth field of directions, and strokes on a canvas."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

from ..photos import Photo

FINE = 2
"""Strokes are drawn at twice the size and reduced, so that their edges are smooth."""


@dataclass(frozen=True)
class Canvas:
    """A square to draw a style on, with the colours of a photo.

    Attributes:
        photo: where the colours come from.
        side: side of the square in pixels.
        rng: source of all random choices.
    """

    photo: Photo
    side: int
    rng: np.random.Generator

    @cached_property
    def colours(self) -> np.ndarray:
        """Palette [8, 3] in 0..1: the main colours of the photo, from dark to light."""
        small = Image.fromarray(self.photo.pixels).resize((64, 64)).quantize(8).convert("RGB")
        found = np.unique(np.asarray(small).reshape(-1, 3), axis=0).astype(np.float32) / 255
        chosen = found[self.rng.permutation(len(found))[np.arange(8) % len(found)]]
        return chosen[chosen.sum(1).argsort()]

    @cached_property
    def layout(self) -> np.ndarray:
        """Colours [S, S, 3] in 0..1 that strokes take on: the blurred photo, or soft fields of its palette."""
        if self.rng.random() < 0.6:
            square = self.photo.square(self.side).astype(np.float32) / 255
            return gaussian_filter(square, (self.side / 100, self.side / 100, 0))
        field = self.noise(self.rng.uniform(0.1, 0.3))
        return self.ramp((field - field.min()) / np.ptp(field))

    def noise(self, scale: float) -> np.ndarray:
        """Smooth noise [S, S] with mean 0 and spread 1; ``scale`` is the size of its features over the side."""
        noise = gaussian_filter(self.rng.standard_normal((self.side, self.side)), scale * self.side, mode="wrap")
        return ((noise - noise.mean()) / noise.std()).astype(np.float32)

    def ramp(self, values: np.ndarray) -> np.ndarray:
        """Colours of the palette, [...] in 0..1 -> [..., 3]: 0 is the darkest and 1 the lightest."""
        steps = np.linspace(0, 1, len(self.colours))
        return np.stack([np.interp(values, steps, channel) for channel in self.colours.T], -1).astype(np.float32)

    def directions(self, turns: float) -> np.ndarray:
        """A smooth field of angles [S, S] in radians: one main direction that turns by about ``turns`` radians."""
        return self.rng.uniform(0, np.pi) + turns * self.noise(0.12)

    def points(self, spacing: float) -> np.ndarray:
        """Points [N, 2] (row, column) on a jittered grid with this distance in pixels, in random order."""
        count = max(2, round(self.side / spacing))
        grid = np.stack(np.meshgrid(*[(np.arange(count) + 0.5) * self.side / count] * 2, indexing="ij"), -1)
        points = grid.reshape(-1, 2) + self.rng.uniform(-0.5, 0.5, (count * count, 2)) * self.side / count
        return self.rng.permutation(points)

    def at(self, values: np.ndarray, points: np.ndarray) -> np.ndarray:
        """The values [S, S, ...] at points [N, 2]."""
        rows, columns = points.round().astype(int).clip(0, self.side - 1).T
        return values[rows, columns]

    def lines(
        self, ground: np.ndarray, paths: Iterable[np.ndarray], colours: Iterable[np.ndarray], widths: Iterable[float]
    ) -> np.ndarray:
        """Draws lines with round ends onto ``ground`` [S, S, 3] in 0..1.

        Args:
            ground: the image below.
            paths: points [M, 2] (row, column) of each line.
            colours: colour [3] of each line.
            widths: width of each line in pixels.
        """
        size = (self.side * FINE, self.side * FINE)
        image = _to_image(ground).resize(size, Image.Resampling.BICUBIC)
        draw = ImageDraw.Draw(image)
        for path, colour, width in zip(paths, colours, widths, strict=True):
            points = [(float(column), float(row)) for row, column in path * FINE]
            fill = tuple(int(channel) for channel in (np.clip(colour, 0, 1) * 255).round())
            draw.line(points, fill, max(1, round(width * FINE)), joint="curve")
            radius = width * FINE / 2 - 0.5
            for x, y in (points[0], points[-1]) if radius > 1 else ():
                draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill)
        return np.asarray(image.resize((self.side, self.side), Image.Resampling.BOX), np.float32) / 255

    def varied(self, colours: np.ndarray, amount: float) -> np.ndarray:
        """The colours [N, 3] with random lightness, so that neighbouring strokes differ."""
        return (colours + self.rng.normal(0, amount, (len(colours), 1))).clip(0, 1).astype(np.float32)


def finish(image: np.ndarray) -> np.ndarray:
    """Rounds an image [S, S, 3] in 0..1 to uint8."""
    return (image.clip(0, 1) * 255).round().astype(np.uint8)


def _to_image(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(finish(pixels))
