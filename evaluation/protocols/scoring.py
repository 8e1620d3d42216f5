"""The papers' metrics of result folders, a few images at a time, because thousands do not fit into memory."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from ...progress import console
from ..json_report import write_scores
from ..method_scores import MetricColumn
from ..paper_scores import PaperScores
from .result_folders import ResultFolder

IMAGES_AT_ONCE = 32
"""Results in memory at a time, with their content and style images: about 0.3 GB at 1024 x 1024."""

ScoreResults = Callable[[Sequence[Any], Sequence[Path]], PaperScores]
"""Computes the scores of some trials from the files of their results."""


@dataclass(frozen=True)
class SystemScores:
    """The scores of one system.

    Attributes:
        name: name of the system.
        trials: names of the trials that have an image.
        scores: the metrics of these trials, and why some are missing.
        files: the image of each of these trials.
    """

    name: str
    trials: list[str]
    scores: PaperScores
    files: Sequence[Path] = ()


def score_folders(folders: Sequence[ResultFolder], trials: Sequence[Any], score: ScoreResults) -> list[SystemScores]:
    """The scores of all systems. All files are found before the first one is scored.

    Args:
        folders: the images of each system.
        trials: the protocol's trials, which have a `name`.
        score: computes the scores of some trials.

    Raises:
        DataError: a folder has no image of a trial, or an image is damaged.
    """
    by_name = {trial.name: trial for trial in trials}
    found = [(folder.name, folder.find(by_name)) for folder in folders]
    return [_score(name, files, by_name, score) for name, files in found]


def _score(name: str, files: Mapping[str, Path], trials: Mapping[str, Any], score: ScoreResults) -> SystemScores:
    names, parts = list(files), []
    with console.status(f"Scoring {name}") as status:
        for start in range(0, len(names), IMAGES_AT_ONCE):
            status.update(f"Scoring {name}: image {start + 1} of {len(names)}")
            some = names[start : start + IMAGES_AT_ONCE]
            parts.append(score([trials[one] for one in some], [files[one] for one in some]))
    return SystemScores(name, names, _joined(parts), list(files.values()))


def _joined(parts: Sequence[PaperScores]) -> PaperScores:
    keys = [key for key in parts[0].values if all(key in part.values for part in parts)]
    problems = {key: text for part in parts for key, text in part.problems.items()}
    return PaperScores({key: np.concatenate([part.values[key] for part in parts]) for key in keys}, problems)


def protocol_table(title: str, columns: Sequence[MetricColumn], systems: Sequence[SystemScores], total: int) -> Table:
    """One row for each system: the mean of each metric, and how many of all trials have an image."""
    caption = "A metric without its model stays empty. Compare systems only over the same images."
    table = Table(title=title, caption=caption, caption_justify="left")
    table.add_column("system")
    for heading in (*(column.heading for column in columns), "images"):
        table.add_column(heading, justify="right", no_wrap=True)
    for system in systems:
        means = (_mean(system.scores, column) for column in columns)
        table.add_row(system.name, *means, f"{len(system.trials)} of {total}")
    return table


def _mean(scores: PaperScores, column: MetricColumn) -> str:
    if column.key not in scores.values:
        return ""
    return f"{scores.values[column.key].mean():{column.number_format}}"


def write_protocol_scores(folder: Path, systems: Sequence[SystemScores]) -> Path:
    """Write the mean and the value of each image to `scores.json`."""
    content = {
        system.name: {
            "means": {key: float(values.mean()) for key, values in system.scores.values.items()},
            "images": {
                trial: {key: float(values[place]) for key, values in system.scores.values.items()}
                for place, trial in enumerate(system.trials)
            },
            "files": {trial: str(file.absolute()) for trial, file in zip(system.trials, system.files, strict=False)},
            "problems": system.scores.problems,
        }
        for system in systems
    }
    return write_scores(folder, content)
