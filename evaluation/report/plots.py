"""The report's own plots: overlap of experts, their use, and the map of the styles."""

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure

from ..styles.expert_overlap import PAPER, ExpertOverlap
from ..styles.routed_styles import RoutingSummary

WIDTH = 7.0
"""Width of a plot, in inches."""
MOST_NAMED = 20
"""With more styles, the map's legend would be longer than the map."""


def overlap_figure(overlaps: Sequence[ExpertOverlap]) -> Figure:
    """Bars of the IoU of chosen experts for each kind of pairs, beside untrained routers and the paper."""
    figure = Figure(figsize=(WIDTH, 3.4), layout="constrained")
    axes = figure.subplots()
    names = [overlap.name for overlap in overlaps]
    series = {
        "trained routers": [overlap.iou for overlap in overlaps],
        "untrained routers": [overlap.untrained_iou for overlap in overlaps],
        "StyleExpert (paper)": [PAPER.get(name) for name in names],
    }
    width = 0.8 / len(series)
    for number, (label, values) in enumerate(series.items()):
        places = np.arange(len(names)) + (number - (len(series) - 1) / 2) * width
        heights = [np.nan if value is None else value for value in values]
        axes.bar(places, heights, width, label=label, color=f"C{number}", alpha=0.85)
    axes.set(xticks=np.arange(len(names)), xticklabels=names, ylabel="IoU of the chosen experts")
    axes.legend()
    return figure


def usage_figure(routing: RoutingSummary) -> Figure:
    """A map of all layers and experts: the share of the style images that choose an expert."""
    usage = np.array(routing.usage)
    figure = Figure(figsize=(WIDTH, float(np.clip(0.12 * len(usage), 2.5, 9))), layout="constrained")
    axes = figure.subplots()
    shown = axes.pcolormesh(usage, cmap="viridis", vmin=0, vmax=max(1e-9, float(usage.max())), rasterized=True)
    axes.set(xlabel="expert", ylabel="layer", xlim=(0, usage.shape[1]), ylim=(len(usage), 0))
    figure.colorbar(shown, ax=axes, label="share of the style images")
    return figure


def map_figure(routing: RoutingSummary) -> Figure:
    """A t-SNE map of the style embeddings, one colour for each style."""
    styles = list(dict.fromkeys(style for style, _, _ in routing.points))
    figure = Figure(figsize=(WIDTH, 5), layout="constrained")
    axes = figure.subplots()
    colours = colormaps["tab10" if len(styles) <= 10 else "tab20"]
    for number, style in enumerate(styles):
        places = np.array([(x, y) for name, x, y in routing.points if name == style])
        axes.scatter(*places.T, s=16, color=colours(number % colours.N), label=legend_text(style))
    axes.set(xticks=[], yticks=[])
    if len(styles) <= MOST_NAMED:
        figure.legend(loc="outside right upper", fontsize=9)
    return figure


def legend_text(name: str) -> str:
    """A name for a legend. matplotlib leaves out names that start with an underscore."""
    return f" {name}" if name.startswith("_") else name


def unused_share(routing: RoutingSummary) -> float:
    """The share of the experts, over all layers, that no style image chooses."""
    return float((np.array(routing.usage) == 0).mean())


def effective_experts(routing: RoutingSummary) -> float:
    """The number of evenly used experts with the same entropy of choices, as the mean over layers."""
    shares = np.array(routing.usage)
    shares = shares / shares.sum(-1, keepdims=True)
    entropy = -(shares * np.log(np.where(shares > 0, shares, 1))).sum(-1)
    return float(np.exp(entropy).mean())
