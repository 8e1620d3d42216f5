"""A t-SNE plot of style embeddings."""

from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from sklearn.manifold import TSNE
from torch import Tensor
from torch.nn import functional

from ...storage.whole_file import whole_file

FEWEST_IMAGES = 5
"""Smallest number of images for a plot; t-SNE cannot arrange fewer."""


def plot_styles(path: Path, panels: dict[str, Tensor], labels: Tensor, names: dict[int, str]) -> bool:
    """Write a PNG with one panel per embedding and one colour per style.

    Args:
        path: the PNG.
        panels: embeddings [N, C] by title.
        labels: style ids [N].
        names: style names by id.

    Returns:
        False if there are too few images for a plot.
    """
    if len(labels) < FEWEST_IMAGES:
        return False
    colours = colormaps["tab10" if len(names) <= 10 else "tab20"]
    figure = Figure(figsize=(6 * len(panels), 6.5), layout="constrained")
    for axes, (title, vectors) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        points = project_styles(vectors)
        for number, (label, name) in enumerate(names.items()):
            of_style = (labels == label).numpy()
            axes.scatter(*points[of_style].T, s=14, color=colours(number % colours.N), label=name)
        axes.set(title=title, xticks=[], yticks=[])
    handles, texts = axes.get_legend_handles_labels()
    figure.legend(handles, texts, loc="outside lower center", ncols=min(len(names), 7))
    with whole_file(path) as partial:
        figure.savefig(partial, dpi=110, format="png")
    return True


def project_styles(vectors: Tensor) -> np.ndarray:
    """Points [N, 2] by t-SNE of the vectors [N, C], scaled to length 1."""
    unit = functional.normalize(vectors.float(), dim=-1).numpy()
    perplexity = min(30.0, (len(unit) - 1) / 3)
    return TSNE(perplexity=perplexity, init="pca", random_state=0).fit_transform(unit)
