"""The rows of a dataset that is imported: texts and images by column. Images are not decoded here."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

DEEPEST = 8
"""Levels of nested JSON that get names of their own."""
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")


@dataclass(frozen=True)
class ImageFile:
    """An image of a row.

    Attributes:
        name: its path in the dataset; empty if the dataset gives none.
        read: returns the bytes of the file; it may raise DataError.
    """

    name: str
    read: Callable[[], bytes]


Value = str | ImageFile


@dataclass(frozen=True)
class SourceRow:
    """A row: its name for the report, such as "train.tar: 00012", and its values by column."""

    name: str
    values: Mapping[str, Value]


@dataclass(frozen=True)
class BadRow:
    """A row, or a file of rows, that cannot be read, and why."""

    name: str
    reason: str


class Source(Protocol):
    """A dataset that is read row by row, as often as it is iterated.

    Attributes:
        layout: what kind of dataset was found, for messages.
    """

    layout: str

    def __iter__(self) -> Iterator[SourceRow | BadRow]: ...

    def count(self) -> int | None:
        """The number of rows; None if only reading all of them tells."""
        ...

    def file(self, path: str) -> ImageFile:
        """The image that a text column names.

        Raises:
            DataError: the path leads out of the dataset, or there is no such file.
        """
        ...


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """The texts and numbers of nested JSON by dotted names. Of a list, the first text counts; null is left out."""
    found: dict[str, str] = {}
    for key, value in values.items():
        name = f"{prefix}{whole_text(str(key))}"
        if isinstance(value, Mapping) and prefix.count(".") < DEEPEST:
            found |= flat(value, f"{name}.")
        elif isinstance(value, list) and value and isinstance(value[0], str):
            found[name] = whole_text(value[0])
        elif value is not None:
            found[name] = whole_text(value) if isinstance(value, str) else json.dumps(value, default=str)
    return found


def whole_text(text: str) -> str:
    """The text with a question mark for each character that no file can hold, such as half a surrogate pair."""
    return text.encode("utf-8", "replace").decode("utf-8")
