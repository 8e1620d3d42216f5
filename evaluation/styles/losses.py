"""Any expert files, compared by their loss on unseen styles alone."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import tyro
from rich.table import Table

from ...dataset.triplets import read_triplets
from ...errors import TrainingError
from ...moe import StyleExpert
from ..finding import difference
from ..images import readable
from ..rows import Row
from .methods import READS, Method, present
from .trials import choose_trials

ALONE = "{name}, its shared expert alone"


@dataclass(frozen=True)
class LossesConfig:
    """Trained expert files and the images that they are tried on.

    Attributes:
        files: expert files of the small Kontext, as `styleroute train experts` writes them; the first is what the
            others are compared with.
        data: folder of triplets; its test split is used.
        photos: how many photos, each in every unseen style.
        alone: also try each file without its routed experts.

    Raises:
        TrainingError: a number is below 1, or no file is given.
    """

    files: Annotated[tuple[Path, ...], tyro.conf.Positional]
    data: Path = Path("data") / "paintings"
    photos: int = 4
    alone: bool = False

    def __post_init__(self) -> None:
        if self.photos < 1:
            raise TrainingError(f"photos is {self.photos}, expected 1 or more: give another number")
        if not self.files:
            raise TrainingError("no expert file is given: give one or more")


def compare_losses(config: LossesConfig) -> tuple[list[Row], dict[str, int | None]]:
    """The losses of the base and of every file, and how many steps each was trained.

    Raises:
        DataError, TrainingError, StyleExpertError: something is missing or does not fit; nothing is measured then.
    """
    from .unseen_loss import unseen_losses

    methods = present(_method(file) for file in config.files)
    trials = choose_trials(readable(read_triplets(config.data, "test")), seen=False, photos=config.photos)
    if config.alone:
        methods = [each for method in methods for each in (method, *_alone(method))]
    return unseen_losses(methods, trials), {method.name: method.steps for method in methods}


def difference_table(rows: Sequence[Row]) -> Table:
    """Every file against the first, over the same trials; `rows` begins with the base."""
    first = rows[1]
    table = Table(title=f"Against {first.name}", caption="Mean ± standard error of the loss's difference.")
    table.add_column("file")
    table.add_column("difference", justify="right", no_wrap=True)
    for row in rows[2:]:
        table.add_row(row.name, difference(row, first, "loss").text("+.4f"))
    return table


def _method(file: Path) -> Method:
    """How a file was trained is how it is tried."""
    training = {} if not file.is_file() else StyleExpert.open(file).training or {}
    condition = training.get("condition", "style-encoder")
    if condition not in READS:
        raise TrainingError(f"{file} tells of the condition {condition!r}, expected {', '.join(READS)}: give another")
    return Method(str(file), file, condition, bool(training.get("style_reference")))


def _alone(method: Method) -> list[Method]:
    if method.reads == "none":
        return []
    return [replace(method, name=ALONE.format(name=method.name), alone=True)]
