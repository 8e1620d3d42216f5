"""The page: one HTML file without scripts and without any other file."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..statistics import CONFIDENCE
from ..styles.training_curves import LossCurve
from .figures import PlotMaker, galleries, sheets
from .html import Markup, anchor, details, element, join, render, section
from .kinds import KINDS, kind_of
from .run_pairs import MethodPair, compare
from .runs import EvaluationRun
from .tables import claims_table, comparison_table, runs_table, score_table

STYLE_SHEET = Path(__file__).with_name("page.css")
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""Forbids the browser to load anything that the values of a run name."""

HOW_TO_READ = (
    f"A cell shows the mean, and below it the {CONFIDENCE:.0%} interval of a bootstrap that draws whole styles and "
    "whole contents. Two intervals that overlap do not mean that two methods are equal: compare them in pairs.",
    "↑ means that larger values are better, ↓ that smaller values are better.",
    "A comparison uses only images that both methods have. Wins: the share of pairs of style and content in which the "
    "first method is better. The p-value comes from exchanging both methods in whole styles and in whole contents; the "
    "larger of both counts. With n styles or contents, it is never below 2 / 2ⁿ. The corrected p-values allow for the "
    "number of metrics (Benjamini and Hochberg).",
    "Each method was trained once, so an interval says nothing about another training.",
)


def make_page(
    title: str,
    runs: Sequence[EvaluationRun],
    pairs: Sequence[MethodPair],
    names: tuple[str, str],
    curves: Mapping[str, LossCurve],
    images: int,
    resamples: int,
) -> str:
    """The whole page.

    Args:
        title: its heading.
        runs: the runs to show.
        pairs: the methods to compare; empty for none.
        names: names of the two runs of the comparison.
        curves: losses of trainings by name.
        images: number of the best and of the worst images of each method.
        resamples: bootstrap samples of each interval.
    """
    plots = PlotMaker()
    parts = {"Runs": runs_table(runs)}
    if pairs:
        parts["Comparison"] = _comparison(pairs, names, resamples)
    for name, kind in KINDS.items():
        if found := _scores(name, runs, images, resamples):
            parts[kind.title] = found
    if plotted := _plots(plots, runs, curves):
        parts["Plots"] = plotted
    if any(run.claims for run in runs):
        shown = [section(run.name, claims_table(run), level=3) for run in runs if run.claims]
        parts["Claims and goals"] = join(shown)
    if written := join(section(run.name, found, level=3) for run in runs if (found := sheets(run))):
        parts["Sheets"] = written
    parts["How to read"] = element("ul", *(element("li", text) for text in HOW_TO_READ))
    return _document(title, parts)


def _scores(kind: str, runs: Sequence[EvaluationRun], images: int, resamples: int) -> Markup:
    """The tables and images of all protocols of an evaluation; empty without a run."""
    protocols = dict.fromkeys(
        protocol for run in runs for protocol in run.protocols if kind_of(protocol) is KINDS[kind]
    )
    parts = []
    for protocol in protocols:
        having = [run for run in runs if protocol in run.protocols]
        content = [score_table(protocol, having, resamples), galleries(protocol, having, images)]
        parts.append(section(protocol, *content, level=3) if "," in protocol else join(content))
    having = [run for run in runs if any(protocol in run.protocols for protocol in protocols)]
    notes = dict.fromkeys(note for run in having for note in run.notes)
    if notes:
        parts.append(details("What the columns show", *(element("p", note, class_="soft") for note in notes)))
    return join(parts)


def _comparison(pairs: Sequence[MethodPair], names: tuple[str, str], resamples: int) -> Markup:
    parts: list[Markup] = []
    for pair in pairs:
        methods = pair.methods
        same_run, same_method = names[0] == names[1], methods[0] == methods[1]
        short = methods if same_run else names
        title = f"{pair.protocol}: {methods[0]}" if same_method else f"{pair.protocol}: {methods[0]}, {methods[1]}"
        parts.append(section(title, comparison_table(pair, compare(pair, resamples), short), level=3))
    return join(parts)


def _plots(plots: PlotMaker, runs: Sequence[EvaluationRun], curves: Mapping[str, LossCurve]) -> Markup:
    parts = [plots.curves(curves)] if curves else []
    parts += [plots.dials(run) for run in runs if run.dials]
    parts += [plots.routing(run) for run in runs]
    return join(parts)


def _document(title: str, parts: Mapping[str, Markup]) -> str:
    links = [element("li", element("a", name, href=f"#{anchor(name)}")) for name in parts]
    body = [
        element("header", element("h1", title), element("nav", element("ul", *links), aria_label="sections")),
        element("main", *(section(name, part) for name, part in parts.items())),
        element("footer", element("p", "Made by styleroute evaluate report.", class_="soft")),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8" />\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1" />\n'
        f'<meta http-equiv="Content-Security-Policy" content="{render(POLICY)}" />\n'
        f"<title>{render(title)}</title>\n<style>\n{STYLE_SHEET.read_text(encoding='utf-8')}</style>\n</head>\n"
        f"<body>\n{join(body)}\n</body>\n</html>\n"
    )
