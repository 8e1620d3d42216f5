"""Tables for a terminal: scores by method, and claims with their outcomes."""

from collections.abc import Mapping, Sequence

from rich.table import Table

from .claims import ClaimResult
from .method_scores import MethodScores, MetricColumn
from .statistics import CONFIDENCE

CLAIMS_CAPTION = (
    "Numbers are paired differences: mean over styles and photos ± standard error, clustered by style and photo. "
    f"Student's t at {CONFIDENCE:.0%} tests each difference against 0, without correction for the number of claims. "
    "A claim with a number holds if the mean reaches it, and a difference is also significant. Each method was trained "
    "once."
)


def score_table(
    title: str,
    caption: str,
    columns: Sequence[MetricColumn],
    methods: Sequence[MethodScores],
    training_steps: Mapping[str, str] | None = None,
) -> Table:
    """One row per method: mean ± standard error of each metric, number of images, and the training steps if given."""
    table = Table(title=title, caption=caption, caption_justify="left")
    table.add_column("method")
    steps = [] if training_steps is None else ["steps"]
    for heading in (*steps, *(column.heading for column in columns), "images"):
        table.add_column(heading, justify="right", no_wrap=True)
    for method in methods:
        trained = [] if training_steps is None else [training_steps.get(method.name, "")]
        means = (method.mean(column.key).text(column.number_format) for column in columns)
        table.add_row(method.name, *trained, *means, str(len(method.scores)))
    return table


def claims_table(results: Sequence[ClaimResult]) -> Table:
    """One row per claim: its text, outcome and numbers."""
    table = Table("claim", "outcome", "numbers", title="Claims", caption=CLAIMS_CAPTION, caption_justify="left")
    for result in results:
        table.add_row(result.claim, result.outcome, result.numbers)
    return table
