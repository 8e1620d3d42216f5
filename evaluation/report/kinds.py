"""The evaluations that a report reads: their metrics, and how their files are recognised."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..dials.scores import DIAL_COLUMNS
from ..method_scores import MetricColumn
from ..objects.scores import OBJECT_COLUMNS
from ..paper_scores import REGION_ROUTE_COLUMNS, STYLE_EXPERT_COLUMNS
from ..regions.scores import REGION_COLUMNS
from ..styles.claims import LOSS
from ..styles.scores import IMAGE_COLUMNS, STYLE_COLUMNS


@dataclass(frozen=True)
class EvaluationKind:
    """An evaluation.

    Attributes:
        name: its name in the column `protocol`, and its subcommand of `styleroute evaluate`.
        title: heading of its tables.
        columns: its metrics, in the order of the tables.
        sort_by: the metrics that choose the best and worst images; the first one with values counts.
    """

    name: str
    title: str
    columns: Sequence[MetricColumn]
    sort_by: tuple[str, ...] = ()

    def main_column(self, keys: set[str]) -> MetricColumn | None:
        """The metric that chooses the best and worst images, among the metrics that have values."""
        ordered = [column for key in self.sort_by for column in self.columns if column.key == key]
        return next((column for column in (*ordered, *self.columns) if column.key in keys), None)


TINY_COLUMNS = (
    MetricColumn("image", "PSNR of the image", ".1f", short_name="image dB"),
    MetricColumn("inside", "PSNR inside the object", ".1f", short_name="inside dB"),
    MetricColumn("outside", "PSNR outside the object", ".1f", short_name="outside dB"),
    MetricColumn("seam", "seam", ".2f", lower_is_better=True),
)
ENCODER_COLUMNS = (
    MetricColumn("recall_at_1", "recall at 1", ".1%", short_name="recall@1"),
    MetricColumn("mean_average_precision", "mean average precision", ".1%", short_name="mAP"),
    MetricColumn("silhouette", "silhouette", ".2f"),
    MetricColumn("similarity_order", "similarity order", ".2f"),
)

KINDS = {
    kind.name: kind
    for kind in (
        EvaluationKind("paper-styles", "StyleExpert's metrics", STYLE_EXPERT_COLUMNS, ("csd", "dreamsim")),
        EvaluationKind("paper-regions", "RegionRoute's metrics", REGION_ROUTE_COLUMNS, ("rsm",)),
        EvaluationKind("styles", "Style experts", (*STYLE_COLUMNS, *IMAGE_COLUMNS, LOSS), ("texture_distance",)),
        EvaluationKind("steering", "What steers the experts", (*STYLE_COLUMNS, *IMAGE_COLUMNS), ("l1",)),
        EvaluationKind("regions", "Region experts", REGION_COLUMNS, ("style_similarity",)),
        EvaluationKind("objects", "Named objects", OBJECT_COLUMNS, ("style",)),
        EvaluationKind("dials", "Content and style dials", DIAL_COLUMNS, ("style_similarity",)),
        EvaluationKind("tiny", "Edits of the small Kontext", TINY_COLUMNS, ("image",)),
        EvaluationKind("encoder", "Style encoder", ENCODER_COLUMNS),
    )
}
"""All evaluations, in the order of the page."""

_SYSTEM_KEYS = {"means", "images", "problems"}


def kind_of(protocol: str) -> EvaluationKind:
    """The evaluation of a value of the column `protocol`, such as "styles, unseen"."""
    return KINDS[protocol.split(",")[0]]


def recognise(content: Any) -> str | None:
    """The name of the evaluation that wrote a file; None for other files. Both papers' are "paper"."""
    if not isinstance(content, dict):
        return None
    keys = content.keys()
    for name, own in (
        ("styles", {"groups", "methods", "losses"}),
        ("steering", {"experts", "definition", "trials", "rows"}),
        ("regions", {"training", "definitions", "trials", "rows"}),
        ("objects", {"definitions", "trials", "rows"}),
        ("dials", {"trials", "rows"}),
        ("tiny", {"sizes", "settings"}),
        ("encoder", {"styles", "rows"}),
    ):
        if own <= keys:
            return name
    systems = list(content.values())
    if systems and all(isinstance(system, dict) and system.keys() >= _SYSTEM_KEYS for system in systems):
        return "paper"
    return None
