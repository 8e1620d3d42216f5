"""A folder with a run of every evaluation, and the report of all of them, made once."""

from pathlib import Path

import pytest
from styleroute.evaluation.report.config import ReportConfig
from styleroute.evaluation.report.make import PAGE_FILE, make_report

from .synthetic import HOSTILE, METHODS, STYLES, WRITERS, write_styles, write_training

RESAMPLES = 100


@pytest.fixture(scope="session")
def runs_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    for name, write in WRITERS.items():
        write(folder / name)
    methods = {**METHODS, HOSTILE: 0.1}
    write_styles(folder / "styles", methods, (HOSTILE, *STYLES[1:]), images=True)
    write_styles(folder / "again", {"full": 0.1}, (HOSTILE, *STYLES[1:]))
    return folder


@pytest.fixture(scope="session")
def report_folder(runs_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("report") / "new"
    training = write_training(tmp_path_factory.mktemp("training"))
    config = ReportConfig(
        runs=(str(runs_folder),),
        output=output,
        compare=("styles", "again"),
        trainings=(f"{HOSTILE}={training}",),
        images=2,
        resamples=RESAMPLES,
    )
    make_report(config)
    return output


@pytest.fixture(scope="session")
def page(report_folder: Path) -> str:
    return (report_folder / PAGE_FILE).read_text(encoding="utf-8")
