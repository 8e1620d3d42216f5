"""The results of `styleroute evaluate tiny` as tables and as `scores.json`."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.table import Table

from ..json_report import claims_json, write_scores
from .bar import check_bar, worst_seam
from .config import TinyEvaluationConfig
from .scores import SizeEvaluation

CAPTION = (
    "PSNR in dB to the exact target, mean over the scenes: of the whole image, inside the named object, and outside. "
    "Seam: the largest jump between two rows or columns that the target does not have, as a multiple of the photo's "
    "own largest jump; the largest value of all scenes. The VAE's own value is lost texture."
)


def size_table(found: SizeEvaluation) -> Table:
    """One row per instruction: PSNR and seam. The first row is the VAE alone."""
    table = Table(title=f"Edits of unseen photos, {found.title}", caption=CAPTION, caption_justify="left")
    table.add_column("instruction", no_wrap=True)
    for heading in ("image dB", "object inside dB", "outside dB", "seam"):
        table.add_column(heading, justify="right")
    for row in (found.ceiling, *found.edits):
        regions = ("" if value is None else f"{value:.1f}" for value in (row.inside, row.outside))
        table.add_row(row.name, f"{row.image:.1f}", *regions, f"{row.seam:.2f}")
    return table


def summary_line(found: SizeEvaluation) -> str:
    """The VAE's PSNR on all test photos of a size, and the instruction with the largest seam."""
    worst = worst_seam(found)
    return (
        f"{found.title}: VAE alone {found.autoencoder:.1f} dB on all {found.photos} test photos that are large enough. "
        f"Largest seam: {worst.seam:.2f}, {worst.name}."
    )


def bar_table(sizes: Sequence[SizeEvaluation]) -> Table:
    """One row per line of the bar: whether it holds, and its numbers."""
    table = Table("bar", "outcome", "numbers", title="Bar to reach")
    for found in sizes:
        for result in check_bar(found):
            table.add_row(result.claim, result.outcome, result.numbers)
    return table


def write_report(config: TinyEvaluationConfig, sizes: Sequence[SizeEvaluation]) -> Path:
    """Writes `scores.json`, completely or not at all."""
    results = [result for found in sizes for result in check_bar(found)]
    settings = {"per_edit": config.per_edit, "steps": config.steps, "seed": config.seed}
    found = [{**asdict(size), "sheet": size.sheet.name} for size in sizes]
    return write_scores(config.output, {"settings": settings, "sizes": found, **claims_json(results)})
