"""The folder of a training run: its configuration, its last checkpoint, its curves."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, asdict, fields, is_dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ..errors import TrainingError
from ..storage.whole_file import whole_file
from .checkpoint import Checkpoint
from .curves import Curves, Tracker, require_tracker

CONFIG_FILE = "config.json"
CHECKPOINT_FILE = "checkpoint.pt"
UNSETTLED = "auto"
"""A value that older versions stored for an option that the program chose; any choice may resume such a run."""


class RunFolder:
    """The folder of one run. A run resumes only with the configuration that it started with.

    Args:
        path: the folder; `begin` creates it.
        config: a frozen dataclass with all options of the run; a field may be a dataclass itself.
        free: fields that may change on resume, such as "minutes", "data.folder", or "run" for all fields of `run`.
            They are saved, too.
        tracker: where the curves go beside TensorBoard's files.

    Raises:
        TrainingError: the folder holds a run with another configuration, its configuration is damaged, or the package
            of the tracker is missing.
    """

    def __init__(self, path: Path, config: Any, free: tuple[str, ...] = (), tracker: Tracker = "none") -> None:
        self.path, self._tracker = path, tracker
        self._config, self._free = _plain(config), free
        require_tracker(tracker)
        self._require_same(config)

    def begin(self) -> None:
        """Create the folder, write the configuration, and start the tracker."""
        self.path.mkdir(parents=True, exist_ok=True)
        with whole_file(self.path / CONFIG_FILE) as path:
            path.write_text(json.dumps(self._config, indent=2))
        self.curves.open()

    @property
    def checkpoint(self) -> Checkpoint:
        """The last checkpoint of the run."""
        return Checkpoint(self.path / CHECKPOINT_FILE)

    @cached_property
    def curves(self) -> Curves:
        """The writer of this run's curves."""
        return Curves(self.path, self._tracker, self._config)

    def _require_same(self, config: Any) -> None:
        if not (self.path / CONFIG_FILE).exists():
            return
        stored = _stored(self.path)
        self._require_parts(stored)
        stored, given = dict(_flat(_completed(stored, config))), dict(_flat(self._config))
        for name in dict.fromkeys((*stored, *given)):
            if not self._is_free(name) and stored.get(name) not in (given.get(name), UNSETTLED):
                raise TrainingError(
                    f"{self.path} holds a run with {name} = {stored.get(name)!r}, this run has {given.get(name)!r}. "
                    "Give the same value to resume it, or another folder for a new run"
                )

    def _is_free(self, name: str) -> bool:
        return any(f"{name}.".startswith(f"{free}.") for free in self._free)

    def _require_parts(self, stored: Mapping[str, Any]) -> None:
        """Older versions stored all options in one flat list.

        Raises:
            TrainingError: a part of the configuration is stored as a single value.
        """
        for name, value in self._config.items():
            if isinstance(value, dict) and not isinstance(stored.get(name, {}), dict):
                raise TrainingError(
                    f"{self.path} holds a run of an older version of StyleRoute, whose {CONFIG_FILE} has no part "
                    f"{name!r}. Give another folder for a new run, or resume it with the older version"
                )


def stored_option(folder: Path, name: str) -> Any:
    """The value of an option, such as "optimisation.optimizer", of the run in a folder; None without the run or option.

    Raises:
        TrainingError: the run's configuration is damaged.
    """
    return dict(_flat(_stored(folder))).get(name) if (folder / CONFIG_FILE).exists() else None


def _stored(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG_FILE
    try:
        if isinstance(stored := json.loads(path.read_text()), dict):
            return stored
    except (OSError, ValueError) as error:
        raise _damaged(path) from error
    raise _damaged(path)


def _damaged(path: Path) -> TrainingError:
    return TrainingError(
        f"{path} cannot be read, expected the run's configuration as JSON. Delete it to resume with the same options, "
        "or give another folder for a new run"
    )


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Each value with its dotted name, such as "model.adapter.rank"."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _completed(stored: Mapping[str, Any], config: Any) -> dict[str, Any]:
    """The stored configuration with the defaults of fields that did not exist when it was stored."""
    full = dict(stored)
    for field in fields(config):
        value = getattr(config, field.name)
        if field.name not in full:
            full |= _default(field)
        elif is_dataclass(value) and isinstance(full[field.name], dict):
            full[field.name] = _completed(full[field.name], value)
    return full


def _default(field: Field) -> dict[str, Any]:
    """The default by the field's name; empty for a field without a default."""
    if field.default_factory is not MISSING:
        return {field.name: _plain(field.default_factory())}
    return {} if field.default is MISSING else {field.name: _plain(field.default)}


def _plain(value: Any) -> Any:
    """A dataclass or a field as JSON returns it, so that a stored value compares equal."""
    return json.loads(json.dumps(value, default=lambda part: asdict(part) if is_dataclass(part) else str(part)))
