"""Options of `styleroute evaluate report`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from ...errors import DataError
from ...paths import RUNS
from .intervals import RESAMPLES


@dataclass(frozen=True)
class ReportConfig:
    """The runs of a report, and what it shows.

    Attributes:
        runs: output folders of other evaluations, as FOLDER or NAME=FOLDER. A folder of such folders is a run for each.
        output: new folder for report.html and rows.parquet.
        compare: names of two runs to compare in pairs of images.
        methods: a method of the first and one of the second run, if their names differ.
        trainings: run folders of trainings, as FOLDER or NAME=FOLDER, whose losses are plotted.
        images: number of the best and of the worst images of each method; 0 for none.
        resamples: bootstrap samples of each interval.
        title: heading of the page.

    Raises:
        DataError: a number is out of range, or `methods` stand without `compare`.
    """

    runs: Annotated[tuple[str, ...], tyro.conf.Positional]
    output: Path = RUNS / "report"
    compare: tuple[str, str] | None = None
    methods: tuple[str, str] | None = None
    trainings: tuple[str, ...] = ()
    images: int = 3
    resamples: int = RESAMPLES
    title: str = "StyleRoute: evaluation"

    def __post_init__(self) -> None:
        if self.images < 0:
            raise DataError(f"images is {self.images}, expected 0 or more: give another number.")
        if not 100 <= self.resamples <= 100_000:
            raise DataError(f"resamples is {self.resamples}, expected 100 to 100,000: give another number.")
        if self.methods is not None and self.compare is None:
            raise DataError("--methods is given without --compare, expected both: give --compare with two runs.")
