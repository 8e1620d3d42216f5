"""Makes text from files, prompts and other programs safe to log, to print and to show on ComfyUI's page.

A lone surrogate cannot be encoded: logging one ends ComfyUI's worker thread. Terminal codes and bidirectional controls
can hide or reorder what a reader sees.
"""

import os
import unicodedata

MAX_MESSAGE = 1_000
"""Upper limit for the characters of a message. A longer one loses its middle, because the remedy is at its end."""
MAX_QUOTED = 80
"""Upper limit for the characters of a quoted part of a message, without its quotation marks."""

_CUT = " … "


def plain(text: str, limit: int = MAX_MESSAGE) -> str:
    """The text with an escape, such as `\\x1b` or `\\ud800`, for each character that cannot be shown. Lines stay.

    Args:
        text: text of any length and origin.
        limit: upper limit for the number of characters; a longer text loses its middle.
    """
    # Cut first: a hostile text may have millions of characters, and an escape is longer than its character.
    return _without_middle(_escaped(_without_middle(text, limit), kept="\n"), limit)


def quoted(value: object, limit: int = MAX_QUOTED) -> str:
    """A text or path in quotation marks, or any other value as `repr` shows it, on one line.

    Args:
        value: the value from a file, prompt or option.
        limit: upper limit for the characters without the marks; a longer text loses its end.
    """
    text = short(shown(value), limit)
    if not isinstance(value, str | os.PathLike):
        return text
    mark = '"' if "'" in text and '"' not in text else "'"
    return f"{mark}{text}{mark}"


def short(text: str, limit: int = MAX_QUOTED) -> str:
    """A text on one line without quotation marks, such as a tensor's key; a longer text loses its end."""
    text = _escaped(text[: limit + 1])
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def shown(value: object) -> str:
    """A value from JSON as text. Unlike `str`, it does not fail for numbers and lists of extreme size."""
    try:
        return str(value)
    except (ValueError, RecursionError):  # a number of more than 4,300 digits, or lists in lists in lists ...
        return f"a {type(value).__name__} that is too large to show"


def _without_middle(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    start = (limit - len(_CUT)) * 2 // 3
    return f"{text[:start]}{_CUT}{text[start + len(_CUT) - limit :]}"


def _escaped(text: str, kept: str = "") -> str:
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if _is_shown(char) or char in kept else _escape(char) for char in text)


def _is_shown(char: str) -> bool:
    return char.isprintable() or unicodedata.category(char) == "Zs"


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
