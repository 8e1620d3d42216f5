"""A training run on disk: the configuration it was started with, its checkpoint, its curves."""

import json
from collections.abc import Mapping
from dataclasses import MISSING, Field, asdict, fields, is_dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ..errors import TrainingError
from ..storage.whole_file import whole_file

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

CONFIG_FILE = "config.json"
CHECKPOINT_FILE = "checkpoint.pt"


class RunFolder:
    """One run's folder. A run goes on only with the configuration it was started with.

    Args:
        path: the folder; it is made when the run begins.
        config: a frozen dataclass with everything that shapes the result.
        free: names of fields that may change between two pieces of a run (how long, where to). They are saved, too.

    Raises:
        TrainingError: the folder belongs to a run with another configuration, or with one that is damaged.
    """

    def __init__(self, path: Path, config: Any, free: tuple[str, ...] = ()) -> None:
        self.path = path
        self._config, self._free = _plain(config), free
        self._require_same(config)

    def begin(self) -> None:
        """Make the folder and write the configuration into it."""
        self.path.mkdir(parents=True, exist_ok=True)
        with whole_file(self.path / CONFIG_FILE) as path:
            path.write_text(json.dumps(self._config, indent=2))

    def restore(self) -> dict[str, Any] | None:
        """The last checkpoint, on the CPU, or None when there is none.

        Raises:
            TrainingError: it is damaged.
        """
        path = self.path / CHECKPOINT_FILE
        if not path.exists():
            return None
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # what an unpickler makes of damaged bytes may be any
            raise TrainingError(
                f"{path} cannot be read ({type(error).__name__}), expected a whole checkpoint: put back a copy of it, "
                "or delete it to begin the run anew"
            ) from error

    def save(self, state: dict[str, Any]) -> None:
        """Write a checkpoint whole or not at all: a run that is killed here keeps the one before.

        Raises:
            StorageError: the disk is full, or cannot be written.
        """
        with whole_file(self.path / CHECKPOINT_FILE) as path:
            torch.save(state, path)

    @cached_property
    def curves(self) -> "SummaryWriter":
        """TensorBoard's writer."""
        from torch.utils.tensorboard import SummaryWriter

        return SummaryWriter(str(self.path / "tensorboard"))

    def _require_same(self, config: Any) -> None:
        if not (self.path / CONFIG_FILE).exists():
            return
        stored = _completed(self._stored(), config)
        for name in dict.fromkeys((*stored, *self._config)):
            if name in self._free:
                continue
            before, now = stored.get(name), self._config.get(name)
            if before != now:
                raise TrainingError(
                    f"{self.path} holds a run with {name} = {before!r}, this one has {now!r}: "
                    "give the same value to go on with it, or another folder to start anew"
                )

    def _stored(self) -> dict[str, Any]:
        path = self.path / CONFIG_FILE
        try:
            if isinstance(stored := json.loads(path.read_text()), dict):
                return stored
        except (OSError, ValueError) as error:
            raise _damaged(path) from error
        raise _damaged(path)


def _damaged(path: Path) -> TrainingError:
    return TrainingError(
        f"{path} cannot be read, expected the run's configuration as JSON: delete it to go on with the same options "
        "as before, or give another folder to start anew"
    )


def _completed(stored: Mapping[str, Any], config: Any) -> dict[str, Any]:
    """What is stored, with the defaults of fields that came after it: without them the run was as by default."""
    full = dict(stored)
    for field in fields(config):
        value = getattr(config, field.name)
        if field.name not in full:
            full |= _default(field)
        elif is_dataclass(value) and isinstance(full[field.name], dict):
            full[field.name] = _completed(full[field.name], value)
    return full


def _default(field: Field) -> dict[str, Any]:
    """By the field's name; empty where it has none."""
    if field.default_factory is not MISSING:
        return {field.name: _plain(field.default_factory())}
    return {} if field.default is MISSING else {field.name: _plain(field.default)}


def _plain(value: Any) -> Any:
    """A dataclass, or a field of one, as what JSON gives back, so that a stored one compares equal."""
    return json.loads(json.dumps(value, default=lambda part: asdict(part) if is_dataclass(part) else str(part)))
