"""Scored images, and the tidy table of their values: one line for each value of each metric, as Parquet."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from ...errors import DataError
from ...files import open_regular
from ...plain_text import short, shown
from ...storage.whole_file import whole_file
from .comparison import Trial

COLUMNS = ("run", "protocol", "method", "style", "content", "seed", "metric", "value")
"""The columns of the table."""
LONGEST_NAME = 200
"""Upper limit for the characters of a name; a longer one loses its end."""


@dataclass(frozen=True)
class ScoredImage:
    """One image of an evaluation, or one measurement without an image.

    Attributes:
        protocol: the evaluation, such as "regions", or "styles, unseen" for a part of it.
        method: the method or system.
        style, content: what the image shows; empty where they do not apply.
        seed: seed of the noise, or the number of the image among those of the same method, style and content.
        values: finite values by metric.
        file: the image; None if it is not recorded.
        inputs: the images that it was made from, by caption.
        example: name of the style image, where one style and content have several.
    """

    protocol: str
    method: str
    style: str
    content: str
    seed: int
    values: Mapping[str, float]
    file: Path | None = None
    inputs: Mapping[str, Path] = field(default_factory=dict)
    example: str = ""

    @property
    def trial(self) -> Trial:
        """What the image shows: equal for the images of two methods that compare with each other."""
        return self.style, self.content, f"{self.seed} {self.example}"


def plain_name(value: object) -> str:
    """A name from a file on one line, without characters that cannot be shown."""
    return short(shown(value), LONGEST_NAME)


def finite_values(found: Mapping[str, object]) -> dict[str, float]:
    """The finite numbers of metrics; null and NaN stand for a metric that does not apply.

    Raises:
        TypeError: a value is no number.
    """
    values: dict[str, float] = {}
    for name, value in found.items():
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError(f"{name} is no number")
        if math.isfinite(value):
            values[plain_name(name)] = float(value)
    return values


def tidy_table(runs: Mapping[str, Iterable[ScoredImage]]) -> pd.DataFrame:
    """One line for each value, from the images of each run."""
    lines = [
        (run, image.protocol, image.method, image.style, image.content, image.seed, metric, value)
        for run, images in runs.items()
        for image in images
        for metric, value in image.values.items()
    ]
    return pd.DataFrame(lines, columns=list(COLUMNS)).astype({"seed": "int64", "value": "float64"})


def write_rows(path: Path, table: pd.DataFrame) -> Path:
    """Write the table as Parquet, completely or not at all."""
    with whole_file(path) as partial:
        table.to_parquet(partial, engine="pyarrow", index=False)
    return path


def read_rows(path: Path) -> pd.DataFrame:
    """Read a table that `write_rows` wrote.

    Raises:
        DataError: the file is missing, is no Parquet, or has other columns.
    """
    try:
        with open_regular(path) as file:
            table = pd.read_parquet(file, engine="pyarrow")
    except (OSError, ValueError) as error:  # pyarrow's errors are ValueErrors or OSErrors
        raise DataError(f"{path} cannot be read as Parquet ({error}): make the report again.") from error
    if tuple(table.columns) != COLUMNS:
        raise DataError(f"{path} has other columns, expected {', '.join(COLUMNS)}: give the rows of a report.")
    return table
