"""The evidence as JSON: the tables' figures, and those of every picture."""

import json
import math
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...moe import StyleExpert
from ..whole_file import whole_file
from .crossed import Mean
from .gather import Evidence, Group
from .methods import Method
from .overlap import CAPTION
from .rows import Row
from .scores import COLUMNS
from .verdict import sentence

EVIDENCE_FILE = "evidence.json"


def write_report(folder: Path, evidence: Evidence) -> Path:
    """Write evidence.json, whole or not at all."""
    return write_json(folder / EVIDENCE_FILE, as_json(evidence))


def write_json(path: Path, content: dict[str, Any]) -> Path:
    """Write a file, whole or not at all."""
    with whole_file(path) as partial:
        partial.write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")
    return path


def as_json(evidence: Evidence) -> dict[str, Any]:
    """Plain values."""
    return {
        "verdict": sentence(evidence.findings),
        "findings": [asdict(finding) for finding in evidence.findings],
        "methods": [_method(method) for method in evidence.methods],
        "left_out": evidence.left_out,
        "losses": [row_json(row, ("loss",)) for row in evidence.losses],
        "overlap": {"definition": CAPTION, "rows": [asdict(overlap) for overlap in evidence.overlaps]},
        "groups": [_group(group) for group in evidence.groups],
    }


def _method(method: Method) -> dict[str, Any]:
    expert = StyleExpert.open(method.file)
    return {"name": method.name, "file": method.file.name, "pictures": method.key, "training": expert.training}


def _group(group: Group) -> dict[str, Any]:
    trials = [{"style": row.style, "photo": row.content_name, "prompt": row.prompt} for row in group.trials.triplets]
    return {"styles_are": group.kind, "trials": trials, "rows": [row_json(row, COLUMNS) for row in group.rows]}


def row_json(row: Row, columns: Iterable[str]) -> dict[str, Any]:
    """The means of a table's line, and the figures of every picture; what is not there is null."""
    means = {column: _mean(row.mean(column)) for column in columns}
    pictures = [
        {"trial": trial, **_all_finite(asdict(score))} for trial, score in zip(row.trials, row.scores, strict=True)
    ]
    return {"method": row.name, "means": means, "pictures": pictures}


def _mean(mean: Mean) -> dict[str, float | None]:
    return {"mean": _finite(mean.value), "error": _finite(mean.error)}


def _all_finite(figures: dict[str, float]) -> dict[str, float | None]:
    return {name: _finite(value) for name, value in figures.items()}


def _finite(value: float) -> float | None:
    """JSON knows no NaN."""
    return value if math.isfinite(value) else None
