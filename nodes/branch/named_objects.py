"""Objects that the prompt names: the attention to an object's words becomes its mask while a sampler runs."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ...attention import AttentionError
from ...attention.phrase_masks import DEFAULT, MaskRule
from ..maps.prompt_text import prompt_text_in, require_phrase
from ..maps.region_spans import RegionSpan, spans_in

Options = Mapping[str, Any]
"""The options of one text of a CONDITIONING."""


@dataclass(frozen=True, eq=False, kw_only=True)
class NamedObject(ABC):
    """An object that words of the prompt name.

    Attributes:
        rule: how the attention map becomes a mask.
        from_step: the first step, from 0, that uses the mask.
        hold_from: the step, from 0, from which the mask no longer changes; None if it changes until the end.
        least_attention: strength of the object's map below which the object counts as absent from the image.
        is_everywhere_at_first: whether a style acts in the whole image before the first mask; otherwise nowhere.
    """

    rule: MaskRule = DEFAULT
    from_step: int = 0
    hold_from: int | None = None
    least_attention: float = 0.0
    is_everywhere_at_first: ClassVar[bool] = False

    @property
    @abstractmethod
    def name(self) -> str:
        """Name of the object's maps. Objects with one name share a mask."""

    @abstractmethod
    def span_in(self, options: Options) -> RegionSpan | None:
        """The words of the object in one text; None if the text does not name it."""

    @abstractmethod
    def require_in(self, texts: Iterable[Options]) -> None:
        """Requires that at least one text names the object.

        Raises:
            AttentionError: no text does.
        """


@dataclass(frozen=True, eq=False)
class ObjectPhrase(NamedObject):
    """An object by its phrase, in a prompt of Region Style Prompt.

    Attributes:
        phrase: words of the prompt, such as "the guitar".
    """

    phrase: str

    @property
    def name(self) -> str:
        return self._span(()).name

    def span_in(self, options: Options) -> RegionSpan | None:
        prompt = prompt_text_in(options)
        tokens = prompt.tokens_of(self.phrase) if prompt is not None else ()
        return self._span(tokens) if tokens else None

    def require_in(self, texts: Iterable[Options]) -> None:
        prompts = [prompt for options in texts if (prompt := prompt_text_in(options)) is not None]
        require_phrase(prompts, self.phrase)

    def _span(self, tokens: tuple[int, ...]) -> RegionSpan:
        return RegionSpan(self.phrase, "object", tokens)


@dataclass(frozen=True, eq=False)
class StyleRegion(NamedObject):
    """The region of a region expert: its training binds the words of its style to the object.

    The binding needs the expert itself, so the expert acts in the whole image before the first mask.

    Attributes:
        styles: the expert's style phrases, as Region Style Prompt found them.
    """

    styles: tuple[str, ...]
    is_everywhere_at_first: ClassVar[bool] = True

    @property
    def name(self) -> str:
        return self._span(()).name

    def span_in(self, options: Options) -> RegionSpan | None:
        own = (span for span in spans_in(options) if span.role == "style" and span.phrase in self.styles)
        tokens = tuple(token for span in own for token in span.tokens)
        return self._span(tokens) if tokens else None

    def require_in(self, texts: Iterable[Options]) -> None:
        if not any(self.span_in(options) for options in texts):
            raise AttentionError(
                f"No text of the prompt names the style {' or '.join(self.styles)}. Connect the output of Region Style "
                "Prompt to 'positive'."
            )

    def _span(self, tokens: tuple[int, ...]) -> RegionSpan:
        return RegionSpan(" and ".join(self.styles), "style", tokens)
