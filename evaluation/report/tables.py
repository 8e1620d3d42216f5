"""The tables of the page: runs, scores beside the papers' figures, claims, and paired comparisons."""

import math
from collections.abc import Iterator, Mapping, Sequence

from ..claims import FAILS, HOLDS
from ..method_scores import MetricColumn
from .html import Markup, details, element, join, table
from .intervals import Interval, bootstrap_mean
from .kinds import kind_of
from .published import QWEN_SEMANTIC, PublishedRow, published_rows, published_sources
from .rows import ScoredImage, plain_name
from .run_pairs import ComparedMetric, MethodPair
from .runs import EvaluationRun

NOTHING = "–"
SIGNIFICANT = 0.05
"""A corrected p-value below this number counts as a clear difference."""
Intervals = Mapping[str, Interval]
"""By metric."""


def runs_table(runs: Sequence[EvaluationRun]) -> Markup:
    """One row for each run."""
    rows = []
    for run in runs:
        methods = {(image.protocol, image.method) for image in run.images}
        cells = (run.name, "; ".join(run.protocols), len(methods), f"{len(run.images):,}", plain_name(run.folder.name))
        rows.append(("", cells))
    content = table(("run", "evaluation", "methods", "images", "folder"), rows, "runs")
    return element("div", content, class_="texts")


def score_table(protocol: str, runs: Sequence[EvaluationRun], resamples: int) -> Markup:
    """The means of all methods with their intervals, then the papers' figures."""
    ours = [
        (run.name, method, _intervals(images, resamples)) for run in runs for method, images in _methods(run, protocol)
    ]
    theirs = published_rows(kind_of(protocol).name)
    columns = _columns(protocol, [found for *_, found in ours], theirs)
    headings = ["method", *map(_heading, columns), "styles", "contents", "images"]
    rows = [("", _our_cells(name if len(runs) > 1 else "", *each, columns)) for name, *each in ours]
    rows += [("theirs", _their_cells(row, columns)) for row in theirs]
    parts = [table(headings, rows, kind_of(protocol).title)]
    if any(interval.is_rough for *_, found in ours for interval in found.values()):
        parts.append(element("p", "† Few styles or contents: the interval is only a rough guess.", class_="soft"))
    if theirs:
        parts.append(_sources(kind_of(protocol).name))
    return join(parts)


def claims_table(run: EvaluationRun) -> Markup:
    """The claims of a run, with their outcomes."""
    classes = {HOLDS: "good", FAILS: "bad"}
    rows = [
        ("", (claim.claim, element("span", claim.outcome, class_=classes.get(claim.outcome)), claim.numbers))
        for claim in run.claims
    ]
    content = table(("claim", "outcome", "numbers"), rows, f"claims of {run.name}")
    return element("div", content, class_="texts")


def comparison_table(pair: MethodPair, compared: Sequence[ComparedMetric], names: tuple[str, str]) -> Markup:
    """The paired differences of two methods, one row for each metric. `names` are short names of both."""
    headings = ("metric", *names, "difference", "p", "p corrected", "wins", "pairs", "result")
    rows = [("", _compared_cells(each, names)) for each in compared]
    return table(headings, rows, f"comparison in {pair.protocol}")


def _compared_cells(each: ComparedMetric, names: tuple[str, str]) -> tuple[object, ...]:
    column, found = each.column, each.found
    number = column.number_format
    better = 1 - found.larger if column.lower_is_better else found.larger
    clear = each.adjusted_p < SIGNIFICANT
    first_wins = (found.difference.mean < 0) == column.lower_is_better
    unclear = "no clear difference" if found.least_p_value < SIGNIFICANT else "too few styles or contents"
    result = f"{names[0 if first_wins else 1]} is better" if clear else unclear
    return (
        _heading(column),
        f"{found.first:{number}}",
        f"{found.second:{number}}",
        _interval_cell(found.difference, f"+{number}"),
        _p_value(found.p_value),
        _p_value(each.adjusted_p),
        f"{better:.0%}",
        found.difference.values,
        element("span", result, class_=("good" if first_wins else "bad") if clear else None),
    )


def _methods(run: EvaluationRun, protocol: str) -> Iterator[tuple[str, list[ScoredImage]]]:
    """The methods of a protocol, in the order of the file, with their images."""
    methods: dict[str, list[ScoredImage]] = {}
    for image in run.images:
        if image.protocol == protocol:
            methods.setdefault(image.method, []).append(image)
    return iter(methods.items())


def _intervals(images: Sequence[ScoredImage], resamples: int) -> dict[str, Interval]:
    """The interval of each metric."""
    found = {}
    for key in dict.fromkeys(key for image in images for key in image.values):
        known = [image for image in images if key in image.values]
        values = [image.values[key] for image in known]
        styles, contents = [image.style for image in known], [image.content for image in known]
        found[key] = bootstrap_mean(values, styles, contents, resamples)
    return found


def _columns(protocol: str, ours: Sequence[Intervals], theirs: Sequence[PublishedRow]) -> list[MetricColumn]:
    """The metrics that have a value, in the order of the evaluation."""
    known = {key for found in (*ours, *(row.values for row in theirs)) for key in found}
    columns = [column for column in kind_of(protocol).columns if column.key in known]
    return [*columns, QWEN_SEMANTIC] if QWEN_SEMANTIC.key in known else columns


def _our_cells(run: str, method: str, found: Intervals, columns: Sequence[MetricColumn]) -> list[object]:
    name = join([method, element("small", run)]) if run else method
    cells = [
        _interval_cell(found[column.key], column.number_format) if column.key in found else NOTHING
        for column in columns
    ]
    largest = max(found.values(), key=lambda interval: interval.values, default=None)
    sizes = (largest.styles, largest.contents, f"{largest.values:,}") if largest else (0, 0, 0)
    return [name, *cells, *sizes]


def _their_cells(row: PublishedRow, columns: Sequence[MetricColumn]) -> list[object]:
    badges = [f"published: {row.paper}", *(["ablation"] if row.is_ablation else [])]
    name = join([row.method, element("small", *(element("span", badge, class_="badge") for badge in badges))])
    cells = [
        f"{row.values[column.key]:{column.number_format}}" if column.key in row.values else NOTHING
        for column in columns
    ]
    return [name, *cells, NOTHING, NOTHING, NOTHING]


def _interval_cell(interval: Interval, number_format: str) -> Markup:
    mean = f"{interval.mean:{number_format}}"
    if not math.isfinite(interval.low):
        return join([mean])
    bounds = f"{interval.low:{number_format}} to {interval.high:{number_format}}"
    return join([mean, element("small", f"{bounds}{' †' if interval.is_rough else ''}")])


def _heading(column: MetricColumn) -> str:
    """The metric's name; its arrow stays on the same line."""
    return column.heading.replace(" ↑", "\u00a0↑").replace(" ↓", "\u00a0↓")


def _p_value(value: float) -> str:
    if not math.isfinite(value):
        return NOTHING
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _sources(protocol: str) -> Markup:
    warning = (
        "Rows marked as published are the papers' own figures, in our units. Their images, seeds and metric models are "
        "not ours, so small differences mean nothing."
    )
    listed = element("ul", *(element("li", source) for source in published_sources(protocol)))
    return join([element("p", warning, class_="soft"), details("Sources of the published rows", listed)])
