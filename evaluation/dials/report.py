"""The results of `styleroute evaluate dials` as a table and as `scores.json`."""

from dataclasses import asdict
from pathlib import Path

from rich.table import Table

from ..json_report import inputs_json, scores_json, write_scores
from .evaluate import DialEvaluation
from .scores import DIAL_COLUMNS

CAPTION = (
    "Mean ± standard error over styles and photos. Content kept: correlation of the edges of result and photo. Colour "
    "distance: of the palettes of result and style image, in Lab units. Style similarity: cosine of their style "
    "vectors (by the network arbitrary_predict, which no training uses). Evaluations: of the model, for one image."
)


def dial_table(evaluation: DialEvaluation) -> Table:
    """One row per setting: its cost, and the mean of each score."""
    table = Table(title="Content kept against style taken", caption=CAPTION, caption_justify="left")
    table.add_column("setting", no_wrap=True)
    for heading in ("evaluations", *(column.heading for column in DIAL_COLUMNS), "images"):
        table.add_column(heading, justify="right", no_wrap=True)
    for result in evaluation.results:
        means = (result.scores.mean(column.key).text(column.number_format) for column in DIAL_COLUMNS)
        table.add_row(result.setting.name, str(result.setting.evaluations), *means, str(len(result.scores.scores)))
    return table


def write_report(folder: Path, evaluation: DialEvaluation) -> Path:
    """Write `scores.json`, completely or not at all."""
    keys = [column.key for column in DIAL_COLUMNS]
    rows = [
        {
            "setting": asdict(result.setting),
            "evaluations": result.setting.evaluations,
            **scores_json(result.scores, keys),
        }
        for result in evaluation.results
    ]
    trials = [
        {
            "style": trial.style.stem,
            "photo": trial.photo.stem,
            "inputs": inputs_json({"photo": trial.photo, "style image": trial.style}),
        }
        for trial in evaluation.trials
    ]
    return write_scores(folder, {"trials": trials, "rows": rows})
