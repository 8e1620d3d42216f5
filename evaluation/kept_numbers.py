"""Numbers that take long to compute, kept in a file as soon as each is known."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path


def digest(*parts: str) -> str:
    """A short digest of several texts."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]


class KeptNumbers:
    """Numbers by key in a file of one JSON array [key, number] per line. An interruption loses one number at most.

    Args:
        path: the file; None keeps the numbers only in memory.
    """

    def __init__(self, path: Path | None) -> None:
        self._path, self._numbers = path, _read(path) if path else {}

    def get(self, key: str, compute: Callable[[], float]) -> float:
        """The kept number of this key; computes and keeps it if there is none."""
        if key not in self._numbers:
            self._numbers[key] = compute()
            self._append(key)
        return self._numbers[key]

    def _append(self, key: str) -> None:
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            # The line break comes first, because the line before may have been cut.
            file.write("\n" + json.dumps([key, self._numbers[key]]))


def _read(path: Path) -> dict[str, float]:
    """The numbers in a file; a line that was cut by an interruption is left out."""
    numbers: dict[str, float] = {}
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    for line in lines:
        try:
            key, number = json.loads(line)
            numbers[str(key)] = float(number)
        except (ValueError, TypeError):
            continue
    return numbers
