"""The report on a style encoder: its scores beside those of the vision model and of random vectors."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.table import Table

from ...storage.whole_file import whole_file
from .retrieval import RetrievalScores

REPORT_FILE, IMAGE_FILE = "report.json", "styles.png"

CAPTION = (
    "Similarity order: rank correlation of the distances between unseen and training styles with the distances of "
    "independent style vectors. A router needs it for unseen styles; retrieval does not measure it."
)


@dataclass(frozen=True)
class EncoderReport:
    """The names of the unseen styles; the scores of the encoder, the vision model's own vector, and random vectors."""

    styles: list[str]
    rows: list[RetrievalScores]

    def table(self) -> Table:
        """The scores as a table for a terminal."""
        first = self.rows[0]
        title = f"Retrieval among {len(self.styles)} unseen styles, {first.queries} queries, never of the same content"
        table = Table("embedding", title=title, caption=CAPTION, caption_justify="left")
        for heading in ("recall@1", "mAP", "silhouette", "similarity order"):
            table.add_column(heading, justify="right")
        for row in self.rows:
            shares = f"{row.recall_at_1:.1%}", f"{row.mean_average_precision:.1%}"
            order = "" if row.similarity_order is None else f"{row.similarity_order:.2f}"
            table.add_row(row.name, *shares, f"{row.silhouette:.2f}", order)
        return table

    @property
    def summary(self) -> dict[str, float | None]:
        """The encoder's scores by name, for the header of its file."""
        names = ("recall_at_1", "mean_average_precision", "silhouette", "similarity_order")
        return {name: getattr(self.rows[0], name) for name in names}

    def save(self, folder: Path) -> None:
        """Write the report as JSON into a run folder."""
        with whole_file(folder / REPORT_FILE) as partial:
            partial.write_text(json.dumps(asdict(self), indent=2))
