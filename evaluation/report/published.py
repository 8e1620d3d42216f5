"""The papers' own figures, from `published.json`, in the units of our metrics."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from ..method_scores import MetricColumn

FILE = Path(__file__).with_name("published.json")
"""Each table of a paper: its source, its columns with the factor to our unit, and its rows as printed."""
QWEN_SEMANTIC = MetricColumn("qwen_semantic", "the paper's Qwen semantic score", short_name="Qwen semantic")
"""The paper's own score. Its formula is unpublished, so our score has another column."""


@dataclass
class PublishedRow:
    """One system in a paper, with the figures of all tables that name it.

    Attributes:
        paper: the paper's short name.
        method: the system, as the paper names it.
        is_ablation: whether the row is from an ablation study.
        data: the images of the measurement.
        values: figures by our metrics' keys, in our units.
    """

    paper: str
    method: str
    is_ablation: bool
    data: str
    values: dict[str, float] = field(default_factory=dict)


def published_rows(protocol: str) -> list[PublishedRow]:
    """The rows of the papers for a protocol, the main results first; empty for protocols that no paper has."""
    rows: dict[tuple[str, str, bool], PublishedRow] = {}
    for table in _tables(protocol):
        is_ablation = table["table"].startswith("ablation")
        for method, *figures in table["rows"]:
            key = table["paper"], method, is_ablation
            row = rows.setdefault(key, PublishedRow(*key, table["data"]))
            row.values.update(_in_our_units(table["columns"], figures))
    return sorted(rows.values(), key=lambda row: row.is_ablation)


def published_sources(protocol: str) -> list[str]:
    """The paper and the table of all rows, one line for each table."""
    return [f"{table['source']}, {table['table']}" for table in _tables(protocol)]


def _in_our_units(columns: list[Mapping[str, Any]], figures: list[float]) -> Iterator[tuple[str, float]]:
    for column, figure in zip(columns, figures, strict=True):
        yield column["key"], figure * column["factor"]


def _tables(protocol: str) -> list[Mapping[str, Any]]:
    return [table for table in _read() if table["protocol"] == protocol]


@cache
def _read() -> list[Mapping[str, Any]]:
    return json.loads(FILE.read_text(encoding="utf-8"))
