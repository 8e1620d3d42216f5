"""The list of a protocol's trials, in `trials.json`. Every system reads it and generates one image for each trial."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...errors import DataError
from ...storage.text_reader import read_text
from ...storage.whole_file import whole_file

TRIALS_FILE = "trials.json"


def write_trials(folder: Path, settings: Mapping[str, Any], trials: Sequence[Any]) -> Path:
    """Write the settings of a protocol and its trials, which are dataclasses with a `name`."""
    content = {"settings": settings, "trials": [asdict(trial) for trial in trials]}
    path = folder / TRIALS_FILE
    with whole_file(path) as partial:
        partial.write_text(json.dumps(content, indent=1, ensure_ascii=False, default=str), encoding="utf-8")
    return path


def read_trials(folder: Path, settings: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """The trials of a folder, or None if it has none yet.

    Raises:
        DataError: the file is damaged, or was written with other settings.
    """
    path = folder / TRIALS_FILE
    if not path.is_file():
        return None
    try:
        content = json.loads(read_text(path))
        known, trials = content["settings"], list(content["trials"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(f"{path} is no list of trials ({error!r}): remove it, and it is written again.") from error
    wanted = json.loads(json.dumps(settings, default=str))
    if known != wanted:
        changed = sorted(key for key in {*known, *wanted} if known.get(key) != wanted.get(key))
        raise DataError(
            f"{path} was made with other settings ({', '.join(changed)}), expected those of this run: give the same "
            "options, or another --output."
        )
    return trials
