"""A training run on disk: the configuration it was started with, its checkpoint, its curves."""

import json
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from .whole_file import whole_file

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

CONFIG_FILE = "config.json"
CHECKPOINT_FILE = "checkpoint.pt"


class TrainingError(RuntimeError):
    """A run that cannot start or go on, with the remedy in the sentence."""


class RunFolder:
    """One run's folder. A run goes on only with the configuration it was started with.

    Args:
        path: the folder; it is made when the run begins.
        config: a frozen dataclass with everything that shapes the result.
        free: names of fields that may change between two pieces of a run (how long, where to). They are saved, too.

    Raises:
        TrainingError: the folder belongs to a run with another configuration.
    """

    def __init__(self, path: Path, config: Any, free: tuple[str, ...] = ()) -> None:
        self.path = path
        self._config, self._free = _plain(config), free
        self._require_same()

    def begin(self) -> None:
        """Make the folder and write the configuration into it."""
        self.path.mkdir(parents=True, exist_ok=True)
        with whole_file(self.path / CONFIG_FILE) as path:
            path.write_text(json.dumps(self._config, indent=2))

    def restore(self) -> dict[str, Any] | None:
        """The last checkpoint, on the CPU, or None when there is none."""
        path = self.path / CHECKPOINT_FILE
        return torch.load(path, map_location="cpu", weights_only=True) if path.exists() else None

    def save(self, state: dict[str, Any]) -> None:
        """Write a checkpoint whole or not at all: a run that is killed here keeps the one before.

        Raises:
            NotWritten: the disk is full, or cannot be written.
        """
        with whole_file(self.path / CHECKPOINT_FILE) as path:
            torch.save(state, path)

    @cached_property
    def curves(self) -> "SummaryWriter":
        """TensorBoard's writer."""
        from torch.utils.tensorboard import SummaryWriter

        return SummaryWriter(str(self.path / "tensorboard"))

    def _require_same(self) -> None:
        path = self.path / CONFIG_FILE
        if not path.exists():
            return
        stored = json.loads(path.read_text())
        for name in dict.fromkeys((*stored, *self._config)):
            if name in self._free:
                continue
            before, now = stored.get(name), self._config.get(name)
            if before != now:
                raise TrainingError(
                    f"{self.path} holds a run with {name} = {before!r}, this one has {now!r}: "
                    "give the same value to go on with it, or another folder to start anew"
                )


def _plain(config: Any) -> dict[str, Any]:
    """A dataclass as what JSON gives back, so that a stored one compares equal."""
    return json.loads(json.dumps(asdict(config), default=str))
