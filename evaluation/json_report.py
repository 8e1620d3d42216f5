"""Scores as JSON: the means of the tables and the scores of every image, in `scores.json`."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..storage.whole_file import whole_file
from .claims import ClaimResult, summarise
from .method_scores import MethodScores
from .statistics import ClusteredMean

SCORES_FILE = "scores.json"


def write_scores(folder: Path, content: dict[str, Any]) -> Path:
    """Write `scores.json`, completely or not at all."""
    path = folder / SCORES_FILE
    with whole_file(path) as partial:
        partial.write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")
    return path


def claims_json(results: Sequence[ClaimResult]) -> dict[str, Any]:
    """The summary in one line, and every claim with its outcome."""
    return {"summary": summarise(results), "claims": [asdict(result) for result in results]}


def scores_json(method: MethodScores, keys: Iterable[str]) -> dict[str, Any]:
    """A method's means and the scores of its images; null where a metric does not apply."""
    means = {key: _mean_json(method.mean(key)) for key in keys}
    files = method.files or [None] * len(method.scores)
    images = [
        {"trial": trial, **({"file": file} if file else {}), **_finite_values(scores)}
        for trial, file, scores in zip(method.trials, files, method.scores, strict=True)
    ]
    return {"method": method.name, "means": means, "images": images}


def inputs_json(files: Mapping[str, Path]) -> dict[str, str]:
    """The images that a trial starts from, as absolute paths by their captions."""
    return {caption: str(file.absolute()) for caption, file in files.items()}


def _mean_json(mean: ClusteredMean) -> dict[str, float | None]:
    return {"mean": _finite(mean.value), "standard_error": _finite(mean.standard_error)}


def _finite_values(scores: Any) -> dict[str, float | None]:
    return {name: _finite(value) for name, value in asdict(scores).items()}


def _finite(value: float) -> float | None:
    """JSON has no NaN."""
    return value if math.isfinite(value) else None
