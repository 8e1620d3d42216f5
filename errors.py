"""Errors for users, with one base class so that a caller can catch all of them at once.

A message says what was found, what was expected and what to do. An error is raised before any work starts, so nothing
is lost or half applied.
"""

from typing import Any, ClassVar

from .plain_text import MAX_MESSAGE, plain


class StyleRouteError(ValueError):
    """Base class of all errors for users. Nodes, commands and trainers raise only its subclasses on purpose.

    Args:
        message: the sentence. It may quote a hostile file or prompt: characters that cannot be shown become escapes,
            and a longer message than `limit` loses its middle.

    Attributes:
        limit: upper limit for the characters of a message.
    """

    limit: ClassVar[int] = MAX_MESSAGE

    def __init__(self, message: str = "") -> None:
        super().__init__(plain(str(message), self.limit))

    def __init_subclass__(cls) -> None:
        # ComfyUI loads the pack under the path of its folder, and would print that path before each error.
        cls.__module__ = cls.__module__.replace(str(__package__), "styleroute", 1)


class StyleExpertError(StyleRouteError):
    """An expert file, encoder file, style or model cannot be used."""


class AttentionError(StyleRouteError):
    """A phrase, map size or block choice cannot be used, or no map was captured."""


class TrainingError(StyleRouteError):
    """A training run cannot start or continue."""


class DataError(StyleRouteError):
    """A dataset cannot be downloaded, read or written."""


class StorageError(StyleRouteError):
    """A file cannot be written. The previous file stays unchanged."""


class ComfyNotFound(StyleRouteError):
    """No ComfyUI was found. The message lists the searched folders."""


class ComfyError(StyleRouteError):
    """ComfyUI refused a workflow, or failed while running it.

    Attributes:
        node_errors: by node id: `{"class_type": ..., "errors": [{"type", "message", "details"}, ...]}`.
    """

    # The message may end with the last lines of the server's log.
    limit = 10_000

    def __init__(self, message: str, node_errors: dict[str, dict[str, Any]] | None = None):
        super().__init__(message)
        self.node_errors = node_errors or {}
