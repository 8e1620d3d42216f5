"""The results of `styleroute evaluate styles` as `scores.json`."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...moe import StyleExpert
from ..json_report import claims_json, scores_json, write_scores
from .evaluate import StyleEvaluation, StyleGroup
from .expert_overlap import DEFINITION
from .methods import StyleMethod
from .scores import STYLE_COLUMNS


def write_report(folder: Path, evaluation: StyleEvaluation) -> Path:
    """Write `scores.json`, completely or not at all."""
    return write_scores(folder, as_json(evaluation))


def as_json(evaluation: StyleEvaluation) -> dict[str, Any]:
    """The results as plain values."""
    return {
        **claims_json(evaluation.claims),
        "methods": [_method_json(method) for method in evaluation.methods],
        "left_out": evaluation.left_out,
        "losses": [scores_json(losses, ("loss",)) for losses in evaluation.losses],
        "overlap": {"definition": DEFINITION, "rows": [asdict(overlap) for overlap in evaluation.overlaps]},
        "groups": [_group_json(group) for group in evaluation.groups],
    }


def _method_json(method: StyleMethod) -> dict[str, Any]:
    training = StyleExpert.open(method.file).training
    return {"name": method.name, "file": method.file.name, "images": method.images_folder, "training": training}


def _group_json(group: StyleGroup) -> dict[str, Any]:
    trials = [{"style": row.style, "photo": row.content_name, "prompt": row.prompt} for row in group.trials.triplets]
    keys = [column.key for column in STYLE_COLUMNS]
    return {"styles_are": group.kind, "trials": trials, "rows": [scores_json(scores, keys) for scores in group.scores]}
