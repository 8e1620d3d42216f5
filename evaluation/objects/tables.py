"""The tables of `styleroute evaluate objects`, and its results as plain values."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from ..json_report import inputs_json, write_scores
from .evaluate import ObjectEvaluation, ObjectRow
from .scores import OBJECT_COLUMNS

DEFINITIONS = (
    "Mean ± standard error over scenes; each object is styled by an example image. Style: cosine of the style vectors "
    "of result and teacher's image (by the network arbitrary_predict, which no training uses). Both are pasted into "
    "the photo by the object's true mask and cut to its box, so that only the object counts. Own style: share of "
    "objects that are nearest to their own style, among the teacher's images of this scene in all test styles, and the "
    "photo. Swapped: share of objects that are nearer to the other object's style. All right: share of scenes whose "
    "objects all have their own style. Background (bg): pixels more than 3 pixels away from all objects, compared with "
    "the photo, values in 0..1. Seam: Sobel edges added within 2 pixels of the masks' outlines. IoU: cells of the "
    "object's map above Otsu's threshold, against cells that the true mask covers by at least half. Grounded: with the "
    "grounding LoRA. Passes: samplings for a scene with two objects."
)


def object_table(evaluation: ObjectEvaluation, objects: int) -> Table:
    """The scores of all scenes with this number of objects."""
    numbers = [trial.number for trial in evaluation.trials if len(trial.objects) == objects]
    count = "one object" if objects == 1 else "two objects"
    title = f"{len(numbers)} scenes with {count}: unseen photos, objects and styles"
    table = Table(title=title, caption=DEFINITIONS, caption_justify="left")
    table.add_column("method", no_wrap=True)
    for heading in (*(column.heading for column in OBJECT_COLUMNS), "passes"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in evaluation.rows:
        cells = (_cell(_values(row, numbers, column.key), column.number_format) for column in OBJECT_COLUMNS)
        passes = str(min(row.passes, objects)) if row.passes else ""
        table.add_row(row.name, *cells, passes)
    return table


def write_report(folder: Path, evaluation: ObjectEvaluation) -> Path:
    """Write `scores.json`, completely or not at all."""
    trials = [
        {
            "scene": trial.number,
            "prompt": trial.prompt,
            "styles": {styled.name: styled.style_name for styled in trial.objects},
            "inputs": inputs_json({"photo": trial.photo, **{each.name: each.style_image for each in trial.objects}}),
        }
        for trial in evaluation.trials
    ]
    rows: list[dict[str, Any]] = [
        {
            "method": row.name,
            "scores": {number: vars(score) for number, score in row.scores.items()},
            "files": dict(row.files),
        }
        for row in evaluation.rows
    ]
    return write_scores(folder, {"definitions": DEFINITIONS, "trials": trials, "rows": rows})


def _values(row: ObjectRow, numbers: Sequence[int], key: str) -> np.ndarray:
    return np.array([getattr(row.scores[number], key) for number in numbers])


def _cell(values: np.ndarray, number_format: str) -> str:
    """Mean and standard error; empty if nothing was measured."""
    known = values[np.isfinite(values)]
    if not len(known):
        return ""
    error = known.std(ddof=1) / np.sqrt(len(known)) if len(known) > 1 else 0.0
    mean = f"{known.mean():{number_format}}"
    return mean if number_format.endswith("%") else f"{mean} ± {error:{number_format}}"
