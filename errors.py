"""Every refusal of StyleRoute. One base class, so that a caller can catch all of them at once.

A message says what was found, what was expected and what to do. It is raised before any work is done: nothing is lost
and nothing is half applied.
"""

from typing import Any


class StyleRouteError(ValueError):
    """The base class of all refusals. Nodes, commands and trainers raise nothing else on purpose."""


class StyleExpertError(StyleRouteError):
    """A refused expert file, encoder file, style or model."""


class AttentionError(StyleRouteError):
    """A refused phrase, map size, block choice or empty capture."""


class TrainingError(StyleRouteError):
    """A training run that cannot start or continue."""


class DataError(StyleRouteError):
    """Data that cannot be fetched, read or written as a dataset."""


class StorageError(StyleRouteError):
    """A file that cannot be written. The previous file stays as it was."""


class ComfyNotFound(StyleRouteError):
    """No ComfyUI was found. The message lists the places that were searched."""


class ComfyError(StyleRouteError):
    """ComfyUI refused or failed a workflow.

    Attributes:
        node_errors: by node id, `{"class_type": ..., "errors": [{"type", "message", "details"}, ...]}`.
    """

    def __init__(self, message: str, node_errors: dict[str, dict[str, Any]] | None = None):
        super().__init__(message)
        self.node_errors = node_errors or {}
