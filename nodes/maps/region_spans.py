"""Spans: the tokens of a prompt's phrases. They travel in the options of a CONDITIONING."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from ...attention import AttentionError

SPANS_KEY = "styleroute_spans"
"""Key of the spans in the options of each text in a CONDITIONING. Stock nodes copy keys that they do not know."""

Role = Literal["object", "style"]
ROLES = {"style": ("style",), "object": ("object",), "both": ("style", "object")}
"""Roles whose phrases define a region. RegionRoute trains the maps of style phrases to find the region."""


@dataclass(frozen=True)
class RegionSpan:
    """A phrase of the prompt and its tokens.

    Attributes:
        phrase: the phrase as the prompt has it, such as "the guitar".
        role: what the phrase names: the object, or the object's style.
        tokens: positions among the text tokens that the model gets.
        number: counts the mentions of the phrase in this role, from 1. Each clause has its own region.
    """

    phrase: str
    role: Role
    tokens: tuple[int, ...]
    number: int = 1

    @property
    def name(self) -> str:
        """Key of this phrase's maps, such as "style: mosaic (2)"; the same in every conditioning."""
        return f"{self.role}: {self.phrase}" + (f" ({self.number})" if self.number > 1 else "")


def with_spans(conditioning: list, spans: Iterable[RegionSpan]) -> list:
    """A copy of a CONDITIONING with `spans` in the options of every text."""
    return [[text, {**options, SPANS_KEY: tuple(spans)}] for text, options in conditioning]


def spans_in(options: Mapping[str, Any]) -> tuple[RegionSpan, ...]:
    """The spans in the options of one text; empty unless Region Style Prompt made the text."""
    return tuple(options.get(SPANS_KEY, ()))


def number_mentions(texts: Iterable[tuple[RegionSpan, ...]]) -> dict[tuple[RegionSpan, ...], tuple[RegionSpan, ...]]:
    """Maps the spans of each text to the same spans, numbered on from text to text.

    "The guitar in mosaic style" and "the owl in mosaic style" have two regions for mosaic. Equal texts, for instance
    for different steps, have one.
    """
    last: Counter[tuple[Role, str]] = Counter()
    numbered = {}
    for spans in dict.fromkeys(texts):
        numbered[spans] = tuple(replace(span, number=span.number + last[span.role, span.phrase]) for span in spans)
        last.update((span.role, span.phrase) for span in spans)
    return numbered


def spans_of(conditioning: list) -> tuple[RegionSpan, ...]:
    """All spans of a CONDITIONING, which may hold several texts."""
    numbered = number_mentions(spans_in(options) for _, options in conditioning)
    return tuple(span for spans in numbered.values() for span in spans)


def require_spans(spans: tuple[RegionSpan, ...]) -> None:
    """Refuses a CONDITIONING without spans.

    Raises:
        AttentionError: `spans` is empty.
    """
    if not spans:
        raise AttentionError(
            "The conditioning has no phrase to capture: Region Style Prompt did not make it, or a later node dropped "
            "the phrases. Encode the prompt with Region Style Prompt."
        )


def names_in_region(spans: Iterable[RegionSpan], region: str) -> tuple[str, ...]:
    """Names of the phrases that define a region; `region` is a key of ROLES.

    Raises:
        AttentionError: the prompt has no such phrase.
    """
    names = tuple(span.name for span in spans if span.role in ROLES[region])
    if not names:
        other = "object" if region == "style" else "style"
        raise AttentionError(
            f"The prompt names no {region}, only its {other}. Set 'region' (in Attention Map Preview 'span') to "
            f"'{other}', or name the {region} in Region Style Prompt."
        )
    return names
