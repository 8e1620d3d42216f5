"""`styleroute evaluate losses`: compares expert files by their loss on unseen styles."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import tyro
from rich.table import Table

from ...dataset.triplets import read_triplets
from ...errors import TrainingError
from ...moe import StyleExpert
from ..images import readable
from ..method_scores import MethodScores, mean_difference
from .methods import CONDITIONS, StyleMethod, available_methods
from .trials import choose_trials

SHARED_EXPERT_ONLY = "{name}, only its shared expert"


@dataclass(frozen=True)
class LossComparisonConfig:
    """Trained expert files and the images to compare them on.

    Attributes:
        files: expert files of the small Kontext, written by `styleroute train experts`. The others are compared with
            the first.
        data: folder of triplets; the command reads its test split.
        photos: number of photos, each in every unseen style.
        alone: also evaluate each file without its routed experts.

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


def compare_losses(config: LossComparisonConfig) -> tuple[list[MethodScores], dict[str, int | None]]:
    """The losses of the base model and of every file, and the training steps of each file.

    Raises:
        DataError, TrainingError, StyleExpertError: something is missing or does not fit; before any measurement.
    """
    from .unseen_loss import unseen_losses

    methods = available_methods(_method(file) for file in config.files)
    trials = choose_trials(readable(read_triplets(config.data, "test")), seen=False, photos=config.photos)
    if config.alone:
        methods = [each for method in methods for each in (method, *_shared_expert_only(method))]
    return unseen_losses(methods, trials), {method.name: method.steps for method in methods}


def difference_table(losses: Sequence[MethodScores]) -> Table:
    """The difference of every file to the first file, over the same trials; `losses` starts with the base model."""
    first = losses[1]
    table = Table(title=f"Compared with {first.name}", caption="Mean difference of the loss ± standard error.")
    table.add_column("file")
    table.add_column("difference", justify="right", no_wrap=True)
    for other in losses[2:]:
        table.add_row(other.name, mean_difference(other, first, "loss").text("+.4f"))
    return table


def _method(file: Path) -> StyleMethod:
    """A file is evaluated with the condition and the references of its training."""
    training = {} if not file.is_file() else StyleExpert.open(file).training or {}
    condition = training.get("condition", "style-encoder")
    if condition not in CONDITIONS:
        raise TrainingError(
            f"{file} records the condition {condition!r}, expected {', '.join(CONDITIONS)}: give another file"
        )
    return StyleMethod(str(file), file, condition, bool(training.get("style_reference")))


def _shared_expert_only(method: StyleMethod) -> list[StyleMethod]:
    if method.condition == "none":
        return []
    return [replace(method, name=SHARED_EXPERT_ONLY.format(name=method.name), shared_expert_only=True)]
