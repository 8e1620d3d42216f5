"""Whether a region expert that was used is another file by now."""

from collections.abc import Sequence

from ...attention import AttentionError
from ..maps.region_spans import RegionSpan
from ..model_folders import expert_names
from .region_experts import AUTO, NO_EXPERT, file_of_style, state_of_expert

MISSING = "missing"


class ExpertChanges:
    """The files that choices have led to since ComfyUI started, and how often one of them was found changed.

    ComfyUI asks what has changed before it knows the prompt, so that the styles that "auto" will look for are those of
    earlier runs. That is enough: a run with another prompt is another one for ComfyUI anyway, and one that failed, as
    there was no file yet, is never cached. Files that nobody has used do not count.
    """

    def __init__(self) -> None:
        self._states: dict[tuple[str, str], str] = {}
        self._changes = 0

    def note(self, choice: str, spans: Sequence[RegionSpan]) -> None:
        """Remembers what a run uses.

        Args:
            choice: "auto", "none" or a file's name.
            spans: of its prompt, whose styles "auto" looks for.
        """
        if choice == NO_EXPERT:
            return
        self.count()
        names = expert_names()
        used = [span.phrase for span in spans if span.role == "style"] if choice == AUTO else [choice]
        self._states |= {(choice, what): _state(choice, what, names) for what in used}

    def count(self) -> int:
        """Another number than before if one of the files is not what it was: changed, gone, or not the first found."""
        names = expert_names() if self._states else []
        now = {(choice, what): _state(choice, what, names) for choice, what in self._states}
        self._changes += now != self._states
        self._states = now
        return self._changes


def _state(choice: str, what: str, names: Sequence[str]) -> str:
    """Of a file, or of that which `what`, a style, leads to."""
    try:
        return state_of_expert(file_of_style(what, names) if choice == AUTO else what)
    except AttentionError:
        return MISSING
