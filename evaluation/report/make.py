"""`styleroute evaluate report`: from folders of scores to one page and one table."""

import os
from dataclasses import dataclass
from pathlib import Path

from ...errors import DataError
from ...progress import console
from ...storage.disk_space import require_writable
from ...storage.whole_file import whole_file
from ..styles.training_curves import LossCurve, read_losses
from .config import ReportConfig
from .page import make_page
from .rows import plain_name, tidy_table, write_rows
from .run_pairs import method_pairs
from .runs import read_runs

PAGE_FILE, ROWS_FILE = "report.html", "rows.parquet"


@dataclass(frozen=True)
class ReportFiles:
    """The files of a report, and the number of values in the table."""

    page: Path
    rows: Path
    values: int


def make_report(config: ReportConfig) -> ReportFiles:
    """Read all runs, check them, then compute and write both files. The page comes last.

    Raises:
        DataError: the output folder is in use, or a run or the comparison is impossible. Nothing is written.
        StorageError: a file cannot be written.
    """
    _require_unused(config.output)
    runs = read_runs(config.runs)
    pairs = method_pairs(runs, config.compare, config.methods) if config.compare else []
    curves = dict(_training(text) for text in config.trainings)
    table = tidy_table({run.name: run.images for run in runs})
    with console.status("Computing intervals and plots"):
        names = config.compare or ("", "")
        page = make_page(
            plain_name(config.title), runs, pairs, names, curves, images=config.images, resamples=config.resamples
        )
    rows = write_rows(config.output / ROWS_FILE, table)
    with whole_file(config.output / PAGE_FILE) as partial:
        partial.write_text(page, encoding="utf-8")
    return ReportFiles(config.output / PAGE_FILE, rows, len(table))


def _require_unused(folder: Path) -> None:
    if os.path.lexists(folder) and not folder.is_dir():
        raise DataError(f"{folder} is a file, expected a new folder: give another --output.")
    if folder.is_dir() and any(folder.iterdir()):
        raise DataError(f"{folder} exists and has files, expected a new folder: give another --output, or remove it.")
    require_writable(folder / PAGE_FILE)


def _training(text: str) -> tuple[str, LossCurve]:
    name, equals, folder = text.partition("=")
    path = Path(folder) if equals and name else Path(text)
    curve = read_losses(path) if path.is_dir() else None
    if curve is None:
        raise DataError(
            f"{path} has no TensorBoard file with a loss, expected the run folder of a training: give another one."
        )
    return plain_name(name if equals and name else path.resolve().name), curve
