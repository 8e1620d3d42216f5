"""Checks shapes with symbols, such as [E, r, in]: a symbol has the same size in all tensors of a file."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from ..errors import StyleExpertError
from ..plain_text import short

Symbolic = tuple[str | int, ...]
"""A shape such as ("E", "r", "in"); a number is a fixed size."""


class SizeBook:
    """The size of each symbol, learnt from the first tensor that has the symbol.

    Args:
        path: the file, for error messages.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._sizes: dict[str, tuple[int, str]] = {}

    def __getitem__(self, symbol: str) -> int:
        return self._sizes[symbol][0]

    def get(self, symbol: str, default: int) -> int:
        """The size of a symbol; `default` if no tensor has it."""
        return self._sizes.get(symbol, (default, ""))[0]

    def learn(self, key: str, symbolic: Symbolic, shape: tuple[int, ...]) -> None:
        """Learn the sizes of the tensor `key`.

        Raises:
            StyleExpertError: the tensor has another number of dimensions, or a symbol already has another size.
        """
        if len(shape) != len(symbolic):
            expected = ", ".join(map(str, symbolic))
            raise self._contradiction(f"{short(key)} has shape {list(shape)}, expected [{expected}]")
        for symbol, size in zip(symbolic, shape, strict=True):
            known, since = (symbol, "") if isinstance(symbol, int) else self._sizes.setdefault(symbol, (size, key))
            if size != known:
                first = f"{short(since)} has {known}" if since else f"{known} is expected"
                raise self._contradiction(f"{short(key)} has shape {list(shape)}, but {first} for {symbol}")

    def forget(self, *symbols: str) -> None:
        """Forget the sizes of some symbols, so that the next tensor can set them."""
        for symbol in symbols:
            self._sizes.pop(symbol, None)

    def _contradiction(self, what: str) -> StyleExpertError:
        return StyleExpertError(
            f"The shapes in {self.path.name} contradict each other: {what}. "
            "Download or save the file again: it is damaged or mixes different trainings."
        )


def require_keys(path: Path, needed: Iterable[str], shapes: Mapping[str, object]) -> None:
    """Check that all `needed` keys exist.

    Raises:
        StyleExpertError: keys are missing; the message counts all of them and names the first three.
    """
    missing = [key for key in needed if key not in shapes]
    if missing:
        named = ", ".join(map(short, missing[:3])) + (" ..." if missing[3:] else "")
        raise StyleExpertError(
            f"{path.name} lacks {len(missing)} of its keys: {named}. Download or save the whole file again."
        )
