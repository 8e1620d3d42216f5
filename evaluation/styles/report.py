"""The results of `styleroute evaluate styles` as `scores.json`."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...moe import StyleExpert
from ..json_report import claims_json, inputs_json, scores_json, write_scores
from .evaluate import StyleEvaluation, StyleGroup
from .expert_overlap import DEFINITION
from .methods import StyleMethod
from .scores import IMAGE_COLUMNS, STYLE_COLUMNS
from .trials import StyleTrials


def write_report(folder: Path, evaluation: StyleEvaluation) -> Path:
    """Write `scores.json`, completely or not at all."""
    return write_scores(folder, as_json(evaluation))


def as_json(evaluation: StyleEvaluation) -> dict[str, Any]:
    """The results as plain values."""
    return {
        **claims_json(evaluation.claims),
        "methods": [method_json(method) for method in evaluation.methods],
        "left_out": evaluation.left_out,
        "losses": [scores_json(losses, ("loss",)) for losses in evaluation.losses],
        "loss_trials": trials_json(evaluation.loss_trials) if evaluation.loss_trials else [],
        "overlap": {"definition": DEFINITION, "rows": [asdict(overlap) for overlap in evaluation.overlaps]},
        "routing": asdict(evaluation.routing) if evaluation.routing else None,
        "groups": [_group_json(group) for group in evaluation.groups],
    }


def method_json(method: StyleMethod) -> dict[str, Any]:
    """A method's file, its settings, and the summary of its training."""
    training = StyleExpert.open(method.file).training
    sampling = asdict(method.sampling)
    return {
        "name": method.name, "file": method.file.name, "images": method.images_folder, "sampling": sampling,
        "training": training,
    }  # fmt: skip


def trials_json(trials: StyleTrials) -> list[dict[str, Any]]:
    """What each trial shows."""
    return [
        {
            "style": row.style,
            "photo": row.content_name,
            "prompt": row.prompt,
            "inputs": inputs_json({"photo": row.content, "style image": row.reference}),
        }
        for row in trials.triplets
    ]


def _group_json(group: StyleGroup) -> dict[str, Any]:
    keys = [column.key for column in (*STYLE_COLUMNS, *IMAGE_COLUMNS)]
    rows = [scores_json(scores, keys) for scores in group.scores]
    return {"styles_are": group.kind, "side": group.trials.side, "trials": trials_json(group.trials), "rows": rows}
