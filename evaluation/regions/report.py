"""The results of `styleroute evaluate regions` as `scores.json`."""

from pathlib import Path
from typing import Any

from ...moe import StyleExpert
from ..json_report import claims_json, inputs_json, scores_json, write_scores
from .evaluate import RegionEvaluation
from .methods import RegionMethod
from .scores import REGION_COLUMNS
from .tables import DEFINITIONS
from .trials import region_of


def write_report(folder: Path, evaluation: RegionEvaluation) -> Path:
    """Write `scores.json`, completely or not at all."""
    return write_scores(folder, as_json(evaluation))


def as_json(evaluation: RegionEvaluation) -> dict[str, Any]:
    """The results as plain values."""
    trials = [
        {
            "style": region_of(row).style,
            "object": region_of(row).object,
            "scene": row.original.stem,
            "inputs": inputs_json({"photo": row.original, "teacher": row.styled}),
        }
        for row in evaluation.trials.examples
    ]
    keys = [column.key for column in REGION_COLUMNS]
    return {
        **claims_json(evaluation.claims),
        "definitions": DEFINITIONS,
        "left_out": evaluation.left_out,
        "training": {method.name: _training(method) for method in evaluation.methods},
        "trials": trials,
        "rows": [scores_json(scores, keys) for scores in evaluation.scores],
    }


def _training(method: RegionMethod) -> dict[str, Any]:
    """The training summary of the expert for each style."""
    return {style: StyleExpert.open(file).training for style, file in method.files.items()}
