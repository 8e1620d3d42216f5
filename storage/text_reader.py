"""Reads text files: Unicode with a byte order mark, or UTF-8 without one. Other encodings are never guessed."""

import codecs
from pathlib import Path

from ..errors import DataError
from ..files import open_regular

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark is the beginning of this one
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Byte order marks and their encodings."""


def read_text(path: Path) -> str:
    """Reads a text file.

    Raises:
        DataError: the file is missing, or has another encoding, such as the ANSI of Windows or Shift-JIS.
    """
    try:
        with open_regular(path) as file:
            content = file.readall()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): check the path and its permissions.") from error
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise _unreadable(path) from error
    # UTF-16 without a mark is valid UTF-8 with a null between two letters.
    if "\0" in text:
        raise _unreadable(path)
    return text


def _unreadable(path: Path) -> DataError:
    return DataError(f"{path} is no text in UTF-8, and has no byte order mark: save it again as UTF-8.")
