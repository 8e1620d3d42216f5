"""The plot of the measured ratios against the hidden size, with their bounds and the cost model's predictions."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..errors import StyleRouteError
from ..storage.whole_file import whole_file
from .comfy_ratios import CaseResult, ratios
from .growth import Growth
from .measurement import Measurement

FORMATS = (".png", ".svg")


def require_plot_file(path: Path) -> None:
    """Requires a file name that says the format, before anything is measured.

    Raises:
        StyleRouteError: the name ends differently, or its folder does not exist.
    """
    if path.suffix.lower() not in FORMATS:
        raise StyleRouteError(f"The plot {path.name} is no PNG or SVG file: give a name that ends with .png or .svg.")
    if not path.parent.is_dir():
        raise StyleRouteError(f"The folder {path.parent} of the plot does not exist. Make the folder, or give another.")


def plot_growth(path: Path, results: Sequence[CaseResult], growth: Sequence[Growth]) -> Path:
    """Write a PNG or SVG file with one plot for the steps and one for the changes of style.

    Args:
        path: the file; its suffix chooses the format.
        results: the measured cases of all sizes.
        growth: the predictions of the cost model.
    """
    figure = Figure(figsize=(13, 5.5), layout="constrained")
    steps, changes = figure.subplots(1, 2)
    _plot(steps, [each for each in results if each.case.kind == "step"], "A sampling step: time / the bare step")
    _plot_predictions(steps, growth)
    _plot(changes, [each for each in results if each.case.kind == "change"], "A change of style: time / stock LoRA")
    for axes in (steps, changes):
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=7)
    with whole_file(path) as partial:
        figure.savefig(partial, dpi=100, format=path.suffix[1:].lower())
    return path


def _plot(axes: Axes, results: Sequence[CaseResult], title: str) -> None:
    """A line for each side: the medians, with the range of the pairs. A dashed line is the bound at that size."""
    names = list(dict.fromkeys(each.case.ours for each in results))
    for number, name in enumerate(names):
        own = [each for each in results if each.case.ours == name]
        widths = [each.sizes.hidden for each in own]
        rows = [Measurement("", "", ratios(each.seconds), each.case.limit(each.sizes.hidden)) for each in own]
        ends = [[row.median - min(row.values) for row in rows], [max(row.values) - row.median for row in rows]]
        axes.errorbar(widths, [row.median for row in rows], ends, marker="o", capsize=3, color=f"C{number}", label=name)
        bounds = [(width, row.limit) for width, row in zip(widths, rows, strict=True) if row.limit is not None]
        if bounds:
            axes.plot(*zip(*bounds, strict=True), linestyle="--", marker="_", color=f"C{number}")
    axes.axhline(1, color="grey", linewidth=0.8)
    axes.set(title=title, xlabel="hidden size (dashed: bound)", ylabel="ratio, median and range")
    axes.set_xscale("log", base=2)
    if widths := sorted({each.sizes.hidden for each in results}):
        axes.set_xticks(widths, [str(width) for width in widths])
    axes.grid(alpha=0.3)


def _plot_predictions(axes: Axes, growth: Sequence[Growth]) -> None:
    for name in dict.fromkeys(each.side for each in growth):
        own = [each for each in growth if each.side == name]
        points = [(each.sizes.hidden, each.predicted_ratio) for each in own]
        axes.plot(*zip(*points, strict=True), linestyle=":", marker="x", label=f"{name}, cost model")
