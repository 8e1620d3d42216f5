"""The verdict as a table for a terminal."""

from collections.abc import Sequence

from rich.table import Table

from .crossed import SURE
from .finding import Finding


def verdict_table(found: Sequence[Finding]) -> Table:
    """Each expected order and what came of it."""
    caption = (
        "Differences are paired: mean over styles and photos, with its standard error, clustered both ways; each is "
        f"told apart from 0 by Student's t at {SURE:.0%}, and none is corrected for the number of orders. "
        "Each method is one training."
    )
    table = Table("expected", "outcome", "numbers", title="Verdict", caption=caption, caption_justify="left")
    for finding in found:
        table.add_row(finding.claim, finding.outcome, finding.numbers)
    return table
