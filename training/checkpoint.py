"""The checkpoint of a training: one file, written whole or not at all."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..errors import TrainingError
from ..storage.whole_file import whole_file


@dataclass(frozen=True)
class Checkpoint:
    """A file with the state of a training after a whole step."""

    path: Path

    def restore(self) -> dict[str, Any] | None:
        """The saved state, on the CPU, or None without a checkpoint.

        Raises:
            TrainingError: the checkpoint is damaged.
        """
        if not self.path.exists():
            return None
        try:
            return torch.load(self.path, map_location="cpu", weights_only=True)
        except Exception as error:  # damaged bytes can make an unpickler raise any exception
            raise TrainingError(
                f"{self.path} cannot be read ({type(error).__name__}), expected a whole checkpoint. Put back a copy of "
                "it, or delete it to start the run again"
            ) from error

    def save(self, state: dict[str, Any]) -> None:
        """Write a checkpoint, whole or not at all: a run that is killed here keeps the previous checkpoint.

        Raises:
            StorageError: the disk is full, or not writable.
        """
        with whole_file(self.path) as path:
            torch.save(state, path)
