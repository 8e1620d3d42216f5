"""The table and `scores.json` of `styleroute evaluate steering`."""

from pathlib import Path
from typing import Any

from rich.table import Table

from ..json_report import claims_json, scores_json, write_scores
from ..styles.report import method_json, trials_json
from ..styles.scores import COLOUR_DISTANCE, L1, OWN_TEXTURE, STYLE_SIMILARITY, TEXTURE_DISTANCE
from ..styles.tables import explain
from ..tables import score_table
from .evaluate import SteeringEvaluation
from .rows import DEFINITION

STEERING_COLUMNS = (L1, COLOUR_DISTANCE, TEXTURE_DISTANCE, OWN_TEXTURE, STYLE_SIMILARITY)


def steering_table(evaluation: SteeringEvaluation) -> Table:
    """The rows, then the teacher's images as the best scores that are possible."""
    trials = evaluation.trials
    title = f"What steers {evaluation.experts.file.name}: {len(trials.styles)} unseen styles, unseen photos"
    caption = f"{DEFINITION} {explain(STEERING_COLUMNS, trials)}"
    return score_table(title, caption, STEERING_COLUMNS, evaluation.scores)


def write_report(folder: Path, evaluation: SteeringEvaluation) -> Path:
    """Write `scores.json`, completely or not at all."""
    keys = [column.key for column in STEERING_COLUMNS]
    content: dict[str, Any] = {
        **claims_json(evaluation.goals),
        "experts": method_json(evaluation.experts),
        "definition": DEFINITION,
        "trials": trials_json(evaluation.trials),
        "rows": [scores_json(row, keys) for row in evaluation.scores],
    }
    return write_scores(folder, content)
