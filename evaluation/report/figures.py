"""The plots and image galleries of the page."""

from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path

from matplotlib.figure import Figure

from ..dials.plot import dial_figure
from ..method_scores import MetricColumn
from ..styles.expert_overlap import CHANCE, PAPER
from ..styles.training_curves import LossCurve, curves_figure
from .html import Markup, details, element, image, join, render, table
from .images import SHEET_SIDE, Extremes, data_uri, extremes
from .kinds import kind_of
from .plots import effective_experts, legend_text, map_figure, overlap_figure, unused_share, usage_figure
from .rows import ScoredImage
from .runs import EvaluationRun
from .svg import inline_svg, page_style

SHEETS = ("sheet.jpg", "sheet.png", "methods.png", "curves.png", "dials.png", "styles.png", "edits_*.jpg")
"""Names of the images that the evaluations write for readers. `styles.png` is the encoder's t-SNE map."""


class PlotMaker:
    """Draws the plots of one page, each with its own name."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def curves(self, curves: Mapping[str, LossCurve]) -> Markup:
        """The losses of trainings."""
        with page_style():
            figure = curves_figure({legend_text(name): curve for name, curve in curves.items()})
        return self._plot(figure, "Loss of each training over its steps")

    def dials(self, run: EvaluationRun) -> Markup:
        """Content kept against style taken."""
        with page_style():
            figure = dial_figure(run.dials)
        return self._plot(figure, f"Content kept against style taken, {run.name}")

    def routing(self, run: EvaluationRun) -> Markup:
        """The overlap of chosen experts, their use, and the map of the styles."""
        parts: list[Markup] = []
        if run.overlaps:
            with page_style():
                figure = overlap_figure(run.overlaps)
            parts += [self._plot(figure, f"Overlap of the chosen experts, {run.name}"), _overlap_table(run)]
        if run.routing is not None and run.routing.usage:
            with page_style():
                figure = usage_figure(run.routing)
            parts += [self._plot(figure, f"Use of each expert in each layer, {run.name}"), _usage_text(run)]
        if run.routing is not None and run.routing.points:
            with page_style():
                figure = map_figure(run.routing)
            parts.append(self._plot(figure, f"t-SNE map of the style embeddings, {run.name}"))
        return join(parts)

    def _plot(self, figure: Figure, caption: str) -> Markup:
        drawing = Markup(inline_svg(figure, f"plot{next(self._numbers)}", render(caption)))
        box = element("div", drawing, class_="scroll", tabindex=0, role="region", aria_label=caption)
        return element("figure", box, element("figcaption", caption), class_="plot")


def galleries(protocol: str, runs: Sequence[EvaluationRun], number: int) -> Markup:
    """The best and the worst images of every method whose images are kept."""
    parts: list[Markup] = []
    for run in runs:
        methods: dict[str, list[ScoredImage]] = {}
        for each in run.images:
            if each.protocol == protocol and each.file is not None and each.file.is_file():
                methods.setdefault(each.method, []).append(each)
        for method, images in methods.items():
            column = kind_of(protocol).main_column({key for each in images for key in each.values})
            found = None if column is None else extremes(images, column, number)
            if column is not None and found is not None and found.best:
                title = f"{method}, {run.name}" if len(runs) > 1 else method
                heading = f"{title}: best and worst images by {column.name}"
                parts.append(details(heading, _gallery(found, column), is_open=not parts))
    return join(parts)


def sheets(run: EvaluationRun) -> Markup:
    """The sheets of images and plots that the evaluation wrote into its folder."""
    files = [file for pattern in SHEETS for file in sorted(run.folder.glob(pattern))]
    shown = [(file, uri) for file in files if (uri := data_uri(file, SHEET_SIDE)) is not None]
    return join(details(file.name, element("div", image(uri, file.name), class_="sheet")) for file, uri in shown)


def _gallery(found: Extremes, column: MetricColumn) -> Markup:
    parts = []
    for title, images in (("Best", found.best), ("Worst", found.worst)):
        cards = [_card(each, column) for each in images]
        if cards:
            parts += [element("h3", title), element("div", *cards, class_="gallery")]
    return join(parts)


def _card(each: ScoredImage, column: MetricColumn) -> Markup:
    """The images that a result was made from, the result, and its score."""
    files: dict[str, Path | None] = {**each.inputs, "result": each.file}
    shown = {caption: data_uri(file) for caption, file in files.items() if file is not None}
    trio = [
        element("figure", image(uri, caption), element("figcaption", caption))
        for caption, uri in shown.items()
        if uri is not None
    ]
    value = f"{column.name} {each.values[column.key]:{column.number_format}}"
    text = f"{value}: {each.content} in {each.style}, seed {each.seed}"
    return element("figure", element("div", *trio, class_="trio"), element("figcaption", text))


def _overlap_table(run: EvaluationRun) -> Markup:
    rows = []
    for overlap in run.overlaps:
        untrained = "–" if overlap.untrained_iou is None else f"{overlap.untrained_iou:.2%}"
        paper = f"{PAPER[overlap.name]:.2%}" if overlap.name in PAPER else "–"
        pairs = "–" if overlap.name == CHANCE else f"{overlap.pairs:,}"
        rows.append(("", (overlap.name, pairs, f"{overlap.iou:.2%}", untrained, paper)))
    headings = ("pairs of style images", "pairs", "IoU", "untrained routers", "published: StyleExpert")
    return table(headings, rows, "overlap of the chosen experts")


def _usage_text(run: EvaluationRun) -> Markup:
    if run.routing is None:
        return join(())
    experts = len(run.routing.usage[0])
    text = (
        f"{unused_share(run.routing):.0%} of the experts are chosen by no style image. The choices of a layer are as "
        f"varied as even choices among {effective_experts(run.routing):.1f} of its {experts} experts."
    )
    return element("p", text, class_="soft")
