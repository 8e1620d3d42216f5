"""The table of `styleroute evaluate metrics`: which metric models are on this machine."""

from collections.abc import Iterable, Mapping

from rich.table import Table

from .registry import ModelStatus

METRICS: Mapping[str, str] = {
    "clip": "CLIP similarity, RSM, aesthetic score",
    "dino": "DINO similarity",
    "csd": "CSD similarity",
    "dreamsim": "DreamSim distance",
    "aesthetic": "aesthetic score",
    "lpips": "background LPIPS",
    "vlm": "semantic score, dataset bias, four questions",
}
"""By the model's short name: the metrics that need it."""


def model_table(models: Iterable[ModelStatus]) -> Table:
    """One row for each model."""
    table = Table("model", "metrics", "weights", "size", "found", title="Models of the metrics")
    for model in models:
        found = "yes" if model.is_available else "no"
        table.add_row(model.key, METRICS[model.key], model.weights.name, model.weights.size, found)
    return table
