"""What a training gave the model beside the content image, and what sampling must give it, too."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import StyleExpertError
from ..plain_text import quoted

MAX_ROWS, MAX_TOKENS = 2**16, 2**16
"""Upper limits for the numbers in a file."""


@dataclass(frozen=True)
class TrainedInputs:
    """The inputs that a training summary records.

    Attributes:
        style_rows: rows of tokens by which the style image stands below the content image, as a second reference; None
            if the training had no style image.
        text_tokens: length of the prompts in T5 tokens; None if it is not recorded.
    """

    style_rows: int | None
    text_tokens: int | None


def read_trained_inputs(path: Path, training: Mapping[str, Any]) -> TrainedInputs:
    """Read the inputs from the training summary of `path`.

    Raises:
        StyleExpertError: a recorded number is impossible.
    """
    rows = _number(path, training, "style_rows", 0, MAX_ROWS)
    shown = bool(training.get("style_reference"))
    return TrainedInputs((rows or 0) if shown else None, _number(path, training, "text_tokens", 1, MAX_TOKENS))


def _number(path: Path, training: Mapping[str, Any], name: str, least: int, most: int) -> int | None:
    value = training.get(name)
    if value is None or (type(value) is int and least <= value <= most):
        return value
    raise StyleExpertError(
        f"The training summary of {path.name} has {name} {quoted(value)}, expected an integer from {least} to "
        f"{most}. Save the file again."
    )
