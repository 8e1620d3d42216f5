"""The evidence for styles as JSON."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...moe import StyleExpert
from ..finding import sentence
from ..report import EVIDENCE_FILE, row_json, write_json
from .gather import Evidence, Group
from .methods import Method
from .overlap import CAPTION
from .scores import COLUMNS


def write_report(folder: Path, evidence: Evidence) -> Path:
    """Write evidence.json, whole or not at all."""
    return write_json(folder / EVIDENCE_FILE, as_json(evidence))


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
    return {"name": method.name, "file": method.file.name, "images": method.key, "training": expert.training}


def _group(group: Group) -> dict[str, Any]:
    trials = [{"style": row.style, "photo": row.content_name, "prompt": row.prompt} for row in group.trials.triplets]
    return {"styles_are": group.kind, "trials": trials, "rows": [row_json(row, COLUMNS) for row in group.rows]}
