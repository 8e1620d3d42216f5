"""Whether the file of a region expert has changed since a run used it."""

from collections.abc import Sequence

from ...attention import AttentionError
from ..maps.region_spans import RegionSpan
from ..model_folders import expert_names
from .region_experts import AUTO, NO_EXPERT, file_of_style, state_of_expert

MISSING = "missing"


class ExpertChanges:
    """Region-expert files used so far, and a counter of their changes.

    ComfyUI asks for changes before it knows the prompt, so "auto" is answered with the styles of earlier runs. That is
    enough: ComfyUI never takes a run with a new prompt, or a failed run, from its cache. Unused files do not count.
    """

    def __init__(self) -> None:
        self._states: dict[tuple[str, str], str] = {}
        self._changes = 0

    def record(self, choice: str, spans: Sequence[RegionSpan]) -> None:
        """Adds the files that a run uses.

        Args:
            choice: "auto", "none" or a file name.
            spans: spans of the prompt. Their styles select the files for "auto".
        """
        if choice == NO_EXPERT:
            return
        self.count()
        names = expert_names()
        used = [span.phrase for span in spans if span.role == "style"] if choice == AUTO else [choice]
        self._states |= {(choice, what): _state(choice, what, names) for what in used}

    def count(self) -> int:
        """A counter that grows if a used file was changed or removed, or if another file is now found first."""
        names = expert_names() if self._states else []
        now = {(choice, what): _state(choice, what, names) for choice, what in self._states}
        self._changes += now != self._states
        self._states = now
        return self._changes


def _state(choice: str, what: str, names: Sequence[str]) -> str:
    """State of a file. `what` is a style if the choice is "auto", otherwise a file name."""
    try:
        return state_of_expert(file_of_style(what, names) if choice == AUTO else what)
    except AttentionError:
        return MISSING
