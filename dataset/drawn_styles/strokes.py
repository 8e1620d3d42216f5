"""Styles of lines and strokes: dabs of paint, hatching, contour lines, dots, and scribbles."""

import numpy as np

from .canvas import Canvas


def dabs(canvas: Canvas) -> np.ndarray:
    """Short dabs of paint that follow a flow, in several layers from coarse to fine."""
    rng, field = canvas.rng, canvas.directions(canvas.rng.uniform(0, 1.2))
    image, length, varied = canvas.layout, rng.uniform(2, 7), rng.uniform(0.04, 0.15)
    for width in np.geomspace(rng.uniform(12, 24), rng.uniform(4, 9), 3):
        points = canvas.points(width * 0.9)
        angles = canvas.at(field, points) + rng.normal(0, 0.15, len(points))
        ends = np.stack([np.sin(angles), np.cos(angles)], -1) * width * length / 4
        paths = np.stack([points - ends, points + ends], 1)
        image = canvas.lines(
            image, paths, canvas.varied(canvas.at(canvas.layout, points), varied), [width] * len(paths)
        )
    return image


def hatching(canvas: Canvas) -> np.ndarray:
    """Thin parallel lines on plain paper; darker parts get more layers of lines, in other directions."""
    rng, paper, ink = canvas.rng, canvas.colours[-1] * 0.4 + 0.6, canvas.colours[0] * 0.6
    darkness = 1 - canvas.layout.mean(-1)
    levels = np.quantile(darkness, [0.15, 0.45, 0.75])
    image, spacing, width = np.ones_like(canvas.layout) * paper, rng.uniform(5, 12), rng.uniform(1, 3)
    first = rng.uniform(0, np.pi)
    for layer, level in enumerate(levels):
        points = canvas.points(spacing)
        points = points[canvas.at(darkness, points) > level]
        angles = first + layer * rng.choice([0.8, 1.57]) + rng.normal(0, 0.06, len(points))
        ends = np.stack([np.sin(angles), np.cos(angles)], -1) * spacing * rng.uniform(1, 2.5)
        paths = np.stack([points - ends, points + ends], 1)
        image = canvas.lines(image, paths, [ink] * len(paths), [width] * len(paths))
    return image


def contours(canvas: Canvas) -> np.ndarray:
    """Long flowing lines at an even distance, light on dark or dark on light."""
    rng, scale = canvas.rng, canvas.rng.uniform(0.06, 0.2)
    field = canvas.noise(scale)
    waves = np.cos(field * rng.uniform(8, 20) * (0.1 / scale) ** 0.3)
    lines = 1 / (1 + np.exp(-(waves - rng.uniform(-0.3, 0.6)) * 12))[..., None]
    colour = canvas.colours[-1] if rng.random() < 0.5 else canvas.colours[0] * 0.5
    return canvas.layout * (1 - lines) + lines * colour


def dots(canvas: Canvas) -> np.ndarray:
    """Round dots on a plain ground, on a regular or a random grid; their sizes follow the lightness."""
    rng, spacing = canvas.rng, canvas.rng.uniform(9, 26)
    points = canvas.points(spacing)
    if rng.random() < 0.5:
        points = (points / spacing).round() * spacing
    light = canvas.at(canvas.layout.mean(-1), points)
    dark_ground = rng.random() < 0.5
    ground = np.ones_like(canvas.layout) * (canvas.colours[0] * 0.7 if dark_ground else canvas.colours[-1] * 0.5 + 0.5)
    sizes = spacing * (0.25 + 0.75 * (light if dark_ground else 1 - light))
    return canvas.lines(ground, np.stack([points, points + 0.1], 1), canvas.at(canvas.layout, points), sizes)


def scribbles(canvas: Canvas) -> np.ndarray:
    """Curly lines of chalk or crayon on a plain ground."""
    rng, width = canvas.rng, canvas.rng.uniform(1.5, 5)
    ground = np.ones_like(canvas.layout) * canvas.colours[rng.choice([0, -1])]
    points, loop = canvas.points(width * rng.uniform(2.5, 5)), rng.uniform(8, 22)
    phase, turn = np.linspace(0, rng.uniform(4, 9), 14), rng.uniform(0, 6, len(points))
    curls = np.stack([np.sin(phase + turn[:, None]), np.cos(phase * 1.3 + turn[:, None])], -1) * loop
    drift = np.linspace(-1, 1, 14)[:, None] * rng.normal(0, loop, (len(points), 1, 2))
    paths = points[:, None] + curls + drift
    colours = canvas.varied(canvas.at(canvas.layout, points), 0.08)
    return canvas.lines(ground, paths, colours, rng.uniform(0.5, 1, len(paths)) * width)
