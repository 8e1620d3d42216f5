"""Where a prompt's phrases stand among its tokens, carried in the CONDITIONING's own options."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

from ...attention import AttentionError

KEY = "styleroute_spans"
"""Of the options dict that stands beside every text in a CONDITIONING; stock nodes copy keys that they do not know."""

Role = Literal["object", "style"]
ROLES = {"style": ("style",), "object": ("object",), "both": ("style", "object")}
"""Whose phrases make a region: the style's words, which RegionRoute is trained to place, the object's, or all."""


@dataclass(frozen=True)
class RegionSpan:
    """A phrase and its tokens.

    Attributes:
        phrase: as the prompt has it, such as "the guitar".
        role: what it names: the object, or the style to paint it in.
        tokens: positions among the text tokens that the model sees.
        number: which mention of the phrase in this role, from 1: each clause has its own place.
    """

    phrase: str
    role: Role
    tokens: tuple[int, ...]
    number: int = 1

    @property
    def name(self) -> str:
        """By which maps of this phrase are kept, whatever conditioning they come from."""
        return f"{self.role}: {self.phrase}" + (f" ({self.number})" if self.number > 1 else "")


def with_spans(conditioning: list, spans: Iterable[RegionSpan]) -> list:
    """A copy of a CONDITIONING whose every text knows `spans`."""
    return [[text, {**options, KEY: tuple(spans)}] for text, options in conditioning]


def spans_in(options: dict[str, Any]) -> tuple[RegionSpan, ...]:
    """Those of one text, by its options; none if it was not made by Region Style Prompt."""
    return tuple(options.get(KEY, ()))


def told_apart(texts: Iterable[tuple[RegionSpan, ...]]) -> dict[tuple[RegionSpan, ...], tuple[RegionSpan, ...]]:
    """By the spans of each text, the same with numbers that go on from text to text.

    "The guitar in mosaic style" and "the owl in mosaic style" say mosaic of two places; equal texts, which hold for
    different steps perhaps, say it of one.
    """
    last: Counter[tuple[Role, str]] = Counter()
    found = {}
    for spans in dict.fromkeys(texts):
        found[spans] = tuple(replace(span, number=span.number + last[span.role, span.phrase]) for span in spans)
        last.update((span.role, span.phrase) for span in spans)
    return found


def spans_of(conditioning: list) -> tuple[RegionSpan, ...]:
    """All of a CONDITIONING, of several texts perhaps."""
    apart = told_apart(spans_in(options) for _, options in conditioning)
    return tuple(span for spans in apart.values() for span in spans)


def require_spans(conditioning: list) -> tuple[RegionSpan, ...]:
    """As `spans_of`.

    Raises:
        AttentionError: there are none.
    """
    spans = spans_of(conditioning)
    if not spans:
        raise AttentionError(
            "The conditioning knows no phrase to look for, as it was not made by Region Style Prompt (or a node "
            "between has dropped what that wrote); encode the prompt with Region Style Prompt."
        )
    return spans


def names_of(spans: Iterable[RegionSpan], region: str) -> tuple[str, ...]:
    """Names of the phrases that make a region, one of ROLES.

    Raises:
        AttentionError: the prompt has none.
    """
    names = tuple(span.name for span in spans if span.role in ROLES[region])
    if not names:
        other = "object" if region == "style" else "style"
        raise AttentionError(
            f"The prompt names no {region}, only its {other}; set the region (in Attention Map Preview the span) to "
            f"'{other}', or name the {region} in Region Style Prompt."
        )
    return names
