"""The curves of a run: TensorBoard files in its folder, and if chosen also wandb or trackio."""

import secrets
from collections.abc import Mapping
from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..errors import TrainingError
from ..storage.whole_file import whole_file

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

Tracker = Literal["none", "wandb", "trackio"]
"""A service that shows curves in a browser. TensorBoard files are written in any case."""

PROJECT = "styleroute"
"""Project of all runs in a tracker."""

ID_FILE = "tracker_id.txt"
"""File in the run's folder with the run's number in a tracker, so that a resumed run continues its curves."""


def require_tracker(tracker: str) -> None:
    """Check that the package of a tracker is installed.

    Raises:
        TrainingError: it is missing.
    """
    if tracker != "none" and find_spec(tracker) is None:
        raise TrainingError(
            f"--tracker {tracker} needs the package {tracker}, which is not installed: run `pip install {tracker}`, or "
            "leave out --tracker"
        )


class Curves:
    """Writes values and images by step. Nothing is opened before the first value or `open`.

    Args:
        folder: the run's folder; TensorBoard's files are in its folder "tensorboard".
        tracker: a further writer of the same values.
        config: the run's options, which a tracker shows.
    """

    def __init__(self, folder: Path, tracker: Tracker = "none", config: Mapping[str, Any] | None = None) -> None:
        self._folder, self._name, self._config = folder, tracker, dict(config or {})

    def open(self) -> None:
        """Start the tracker before the first step.

        Raises:
            TrainingError: the tracker cannot start.
        """
        if self._name != "none":
            _ = self._tracker

    def add(self, values: Mapping[str, float], step: int) -> None:
        """Add one point to each curve."""
        for name, value in values.items():
            self._board.add_scalar(name, value, step)
        if self._name != "none":
            self._tracker.log(dict(values), step=step)

    def add_image(self, name: str, pixels: np.ndarray, step: int) -> None:
        """Add an image [H, W, 3] in 0..1."""
        self._board.add_image(name, pixels, step, dataformats="HWC")
        if self._name != "none":
            image = self._tracker.Image((pixels.clip(0, 1) * 255).round().astype(np.uint8))
            self._tracker.log({name: image}, step=step)

    def flush(self) -> None:
        """Write the TensorBoard files to disk."""
        self._board.flush()

    def close(self) -> None:
        """End the writers that are open. A tracker sends its last values."""
        if "_board" in self.__dict__:
            self.__dict__.pop("_board").close()
        if "_tracker" in self.__dict__:
            self.__dict__.pop("_tracker").finish()

    @cached_property
    def _board(self) -> "SummaryWriter":
        from torch.utils.tensorboard import SummaryWriter

        return SummaryWriter(str(self._folder / "tensorboard"))

    @cached_property
    def _tracker(self) -> Any:
        """The package wandb or trackio, whose functions `log`, `Image` and `finish` agree."""
        require_tracker(self._name)
        number = _run_number(self._folder)
        options = {"project": PROJECT, "name": f"{self._folder.name}-{number}", "config": self._config}
        if self._name == "wandb":  # trackio recognises a run by its name
            options |= {"id": number, "dir": str(self._folder)}
        try:
            package = import_module(self._name)
            package.init(**options, resume="allow")
        except Exception as error:  # a tracker fails with errors of its own, such as one about a missing login
            reason = str(error).strip().split("\n")[0]
            raise TrainingError(
                f"{self._name} cannot start ({type(error).__name__}: {reason}). Check its login and the network, or "
                "leave out --tracker"
            ) from error
        return package


def _run_number(folder: Path) -> str:
    """The run's number in a tracker; the first start draws it."""
    path = folder / ID_FILE
    if not path.is_file():
        with whole_file(path) as partial:
            partial.write_text(secrets.token_hex(4))
    return path.read_text().strip()
