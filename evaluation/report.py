"""Evidence as JSON: the tables' figures, and those of every image."""

import json
import math
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..storage.whole_file import whole_file
from .crossed import Mean
from .rows import Row

EVIDENCE_FILE = "evidence.json"


def write_json(path: Path, content: dict[str, Any]) -> Path:
    """Write a file, whole or not at all."""
    with whole_file(path) as partial:
        partial.write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")
    return path


def row_json(row: Row, columns: Iterable[str]) -> dict[str, Any]:
    """The means of a table's line, and the figures of every image; what is not there is null."""
    means = {column: _mean(row.mean(column)) for column in columns}
    images = [
        {"trial": trial, **_all_finite(asdict(score))} for trial, score in zip(row.trials, row.scores, strict=True)
    ]
    return {"method": row.name, "means": means, "images": images}


def _mean(mean: Mean) -> dict[str, float | None]:
    return {"mean": _finite(mean.value), "error": _finite(mean.error)}


def _all_finite(figures: dict[str, float]) -> dict[str, float | None]:
    return {name: _finite(value) for name, value in figures.items()}


def _finite(value: float) -> float | None:
    """JSON knows no NaN."""
    return value if math.isfinite(value) else None
