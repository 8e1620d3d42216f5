"""Shapes written with symbols, such as [E, r, in], and unified over all tensors of a file."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from ..errors import StyleExpertError

Symbolic = tuple[str | int, ...]
"""A shape such as ("E", "r", "in"); a number stands for itself."""


class SizeBook:
    """The size that each symbol stands for, learnt from the first tensor that has it.

    Args:
        path: the file, for messages.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._sizes: dict[str, tuple[int, str]] = {}

    def __getitem__(self, symbol: str) -> int:
        return self._sizes[symbol][0]

    def learn(self, key: str, symbolic: Symbolic, shape: tuple[int, ...]) -> None:
        """Takes the sizes of the tensor `key`.

        Raises:
            StyleExpertError: it has another number of dimensions, or a symbol already has another size.
        """
        if len(shape) != len(symbolic):
            expected = ", ".join(map(str, symbolic))
            raise self._contradiction(f"{key} has shape {list(shape)}, expected [{expected}]")
        for symbol, size in zip(symbolic, shape, strict=True):
            known, since = (symbol, "") if isinstance(symbol, int) else self._sizes.setdefault(symbol, (size, key))
            if size != known:
                first = f"{since} says {known}" if since else f"expected {known}"
                raise self._contradiction(f"{key} has shape {list(shape)}, where {first} for {symbol}")

    def forget(self, *symbols: str) -> None:
        """Lets the symbols stand for other sizes from here on."""
        for symbol in symbols:
            self._sizes.pop(symbol, None)

    def _contradiction(self, what: str) -> StyleExpertError:
        return StyleExpertError(
            f"The shapes in {self.path.name} contradict each other: {what}; the file is damaged or put together from "
            "different trainings: download or save it again."
        )


def require_keys(path: Path, needed: Iterable[str], shapes: Mapping[str, object]) -> None:
    """All missing keys in one error.

    Raises:
        StyleExpertError: some of `needed` are not there.
    """
    missing = [key for key in needed if key not in shapes]
    if missing:
        raise StyleExpertError(
            f"{path.name} lacks {len(missing)} of its keys: {', '.join(missing[:3])}{' ...' if missing[3:] else ''}; "
            "it is not a whole file: download or save it again."
        )
