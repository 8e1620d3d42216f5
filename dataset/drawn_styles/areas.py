"""Styles of areas: mosaic, glass, paper cuts, washes, weaves, marbling, waves, prints, grain and materials."""

import numpy as np
from PIL import Image
from scipy.ndimage import distance_transform_edt, gaussian_filter, map_coordinates
from scipy.spatial import cKDTree

from .canvas import Canvas


def mosaic(canvas: Canvas) -> np.ndarray:
    """Stones of one colour each with joints between them."""
    rng, joint = canvas.rng, canvas.rng.uniform(1.2, 3.5)
    cells, colours, edge = _cells(canvas, rng.uniform(10, 28))
    stones = canvas.varied(colours, rng.uniform(0.03, 0.12))[cells]
    ground = canvas.colours[rng.choice([0, -1])] * rng.uniform(0.5, 1)
    return np.where((edge < joint)[..., None], ground, stones)


def glass(canvas: Canvas) -> np.ndarray:
    """Large panes of strong colours between wide dark lines."""
    rng = canvas.rng
    cells, colours, edge = _cells(canvas, rng.uniform(35, 80))
    panes = (0.5 + (colours - 0.5) * rng.uniform(1.2, 1.8))[cells]
    lead = 1 / (1 + np.exp((edge - rng.uniform(3, 6)) * 1.5))[..., None]
    return panes * (1 - lead) * (0.9 + 0.1 * canvas.noise(0.02)[..., None]) + lead * canvas.colours[0] * 0.3


def paper_cut(canvas: Canvas) -> np.ndarray:
    """A few flat colours with hard borders and soft shadows, like layers of paper."""
    rng, levels = canvas.rng, canvas.rng.integers(3, 7)
    light = gaussian_filter(canvas.layout.mean(-1), rng.uniform(2, 6)) + 0.1 * canvas.noise(0.05)
    ranks = np.digitize(light, np.quantile(light, np.linspace(0, 1, levels + 1)[1:-1]))
    image = canvas.colours[np.linspace(0, 7, levels).round().astype(int)][ranks]
    shadow = sum(gaussian_filter((ranks >= level).astype(float), 4) * (ranks < level) for level in range(1, levels))
    return image * (1 - 0.5 * shadow[..., None])


def wash(canvas: Canvas) -> np.ndarray:
    """Watercolour: pale pools of colour with darker rims, and the grain of the paper."""
    rng, paper = canvas.rng, 0.96
    image = np.full_like(canvas.layout, paper)
    for _ in range(rng.integers(4, 9)):
        pool = canvas.noise(rng.uniform(0.03, 0.12)) + 0.25 * canvas.noise(0.01)
        inside = 1 / (1 + np.exp(-(pool - rng.uniform(0.2, 0.8)) * 14))
        rim = np.exp(-(((inside - 0.5) / 0.25) ** 2)) * 0.35
        colour = canvas.colours[rng.integers(8)]
        image *= 1 - (inside * rng.uniform(0.3, 0.6) + rim)[..., None] * (1 - colour)
    return image * (1 + 0.04 * canvas.noise(0.003)[..., None])


def weave(canvas: Canvas) -> np.ndarray:
    """Crossed threads, over and under, shaded along their width."""
    rng, width = canvas.rng, canvas.rng.uniform(7, 18)
    rows, columns = np.mgrid[: canvas.side, : canvas.side] / width
    if rng.random() < 0.4:
        rows, columns = rows + columns, rows - columns
    over = (np.floor(rows) + np.floor(columns) * rng.choice([1, 2])) % 2 < 1
    across = np.where(over, rows % 1, columns % 1)
    shade = 1 - rng.uniform(0.5, 0.9) * (2 * across - 1) ** 2
    tint = np.where(over[..., None], canvas.colours[5], canvas.colours[2])
    return (canvas.layout * 0.6 + tint * 0.4) * shade[..., None]


def marbling(canvas: Canvas) -> np.ndarray:
    """Warped stripes of the palette, as on marbled paper."""
    rng, strength = canvas.rng, canvas.rng.uniform(10, 45)
    rows, columns = np.mgrid[: canvas.side, : canvas.side].astype(float)
    for scale in (0.08, 0.03):
        rows = rows + strength * canvas.noise(scale)
        columns = columns + strength * canvas.noise(scale)
        strength /= 2.5
    angle, width = rng.uniform(0, 3), rng.uniform(18, 50)
    stripes = (rows * np.cos(angle) + columns * np.sin(angle)) / width
    values = np.abs((stripes % 2) - 1)
    if rng.random() < 0.5:
        values = np.round(values * 6) / 6
    return canvas.ramp(values)


def waves(canvas: Canvas) -> np.ndarray:
    """Rows of overlapping scales with rings, as on Japanese cloth."""
    rng, radius = canvas.rng, canvas.rng.uniform(14, 40)
    rows, columns = np.mgrid[: canvas.side, : canvas.side].astype(float)
    best, ring = np.full(rows.shape, -1), np.zeros(rows.shape)
    for row in range(int(canvas.side / radius * 2) + 3):
        middle = row * radius / 2
        offset = columns + (row % 2) * radius
        distance = np.hypot(rows - middle, (offset % (2 * radius)) - radius)
        covers = distance < radius
        best, ring = np.where(covers, row, best), np.where(covers, distance / radius, ring)
    values = (ring * rng.integers(2, 5)) % 1
    lines = gaussian_filter((values < rng.uniform(0.25, 0.5)).astype(float), 0.7)[..., None]
    ink = canvas.colours[rng.choice([0, -1])]
    return canvas.layout * (1 - lines) + lines * ink


def engraving(canvas: Canvas) -> np.ndarray:
    """Parallel lines whose width follows the darkness, as in an old print."""
    rng, spacing = canvas.rng, canvas.rng.uniform(5, 11)
    angle, bend = rng.uniform(0, np.pi), rng.uniform(0, 12) * canvas.noise(0.1)
    rows, columns = np.mgrid[: canvas.side, : canvas.side]
    phase = (rows * np.cos(angle) + columns * np.sin(angle) + bend) / spacing
    darkness = 1 - canvas.layout.mean(-1)
    width = np.interp(darkness, np.quantile(darkness, [0, 1]), [0.1, 0.9])
    ink = gaussian_filter((np.abs(phase % 1 - 0.5) * 2 < width).astype(float), 0.7)[..., None]
    return (canvas.colours[-1] * 0.4 + 0.6) * (1 - ink) + ink * canvas.colours[0] * 0.6


def grain(canvas: Canvas) -> np.ndarray:
    """Charcoal or sand: coarse directed grain over soft forms."""
    rng, length = canvas.rng, canvas.rng.uniform(1, 9)
    noise = gaussian_filter(rng.standard_normal((canvas.side,) * 2), (0.7, length), mode="wrap")
    turn = rng.uniform(0, np.pi)
    rows, columns = np.mgrid[: canvas.side, : canvas.side] - canvas.side / 2
    turned = [rows * np.cos(turn) - columns * np.sin(turn), rows * np.sin(turn) + columns * np.cos(turn)]
    grain = map_coordinates(noise, np.array(turned) + canvas.side / 2, order=1, mode="wrap") / noise.std()
    if rng.random() < 0.5:
        return canvas.layout + rng.uniform(0.08, 0.2) * grain[..., None]
    dark = canvas.layout.mean(-1) + 0.25 * grain < np.median(canvas.layout.mean(-1))
    return np.where(gaussian_filter(dark.astype(float), 0.6)[..., None] > 0.5, canvas.colours[0], canvas.colours[-1])


def material(canvas: Canvas) -> np.ndarray:
    """A part of the photo that is not reduced, such as grass, fur, water or the strokes of a painting."""
    pixels = canvas.photo.pixels
    side = min(canvas.side, *canvas.photo.size)
    top, left = (canvas.rng.integers(0, length - side + 1) for length in canvas.photo.size)
    part = Image.fromarray(pixels[top : top + side, left : left + side])
    part = part.resize((canvas.side, canvas.side), Image.Resampling.BICUBIC)
    return np.asarray(part, np.float32) / 255


def _cells(canvas: Canvas, spacing: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cell numbers [S, S] of a Voronoi diagram, colours [N, 3], and the distance to the cell's edge in pixels."""
    points = canvas.points(spacing)
    pixels = np.stack(np.mgrid[: canvas.side, : canvas.side], -1).reshape(-1, 2)
    cells = cKDTree(points).query(pixels)[1].reshape(canvas.side, canvas.side)
    inner = np.ones_like(cells, bool)
    inner[1:] &= cells[1:] == cells[:-1]
    inner[:, 1:] &= cells[:, 1:] == cells[:, :-1]
    return cells, canvas.at(canvas.layout, points), distance_transform_edt(inner)
