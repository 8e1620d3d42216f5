"""Spans: the tokens of a prompt's phrases. They travel in the options of a CONDITIONING."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from torch import Tensor

from ...attention import AttentionError

SPANS_KEY = "styleroute_spans"
"""Key of the spans in the options of each text in a CONDITIONING. Stock nodes copy keys that they do not know."""
TEXT_KEY = "styleroute_text"
"""Key of the `EncodedText` to which the spans belong, in the same options."""

CHANGED = (
    "A node after Region Style Prompt changed the encoded prompt, as Conditioning (Average) does, so the maps may show "
    "other words than the phrases. Connect the prompt without that node."
)
LONGER = (
    "A node added {count} tokens behind the prompt, as Conditioning (Concat) does. Phrases in the added text have no "
    "map: write them in the same Region Style Prompt."
)

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


@dataclass(frozen=True)
class EncodedText:
    """The encoded prompt that some spans belong to.

    Attributes:
        tokens: number of text tokens.
        digest: digest of the encoded tokens.
    """

    tokens: int
    digest: str

    @classmethod
    def of(cls, text: Tensor) -> "EncodedText":
        """Describes an encoded prompt [B, tokens, D]."""
        return cls(text.shape[1], _digest(text))

    def change(self, text: Tensor) -> str | None:
        """How an encoded prompt [B, tokens, D] differs from this one, as a sentence; None if it is the same."""
        added = text.shape[1] - self.tokens
        if added < 0 or _digest(text[:, : self.tokens]) != self.digest:
            return CHANGED
        return LONGER.format(count=added) if added else None


def with_spans(conditioning: list, spans: Iterable[RegionSpan]) -> list:
    """A copy of a CONDITIONING with `spans` in the options of every text."""
    spans = tuple(spans)
    return [[text, {**options, SPANS_KEY: spans, TEXT_KEY: EncodedText.of(text)}] for text, options in conditioning]


def text_changes(texts: Iterable[tuple[Tensor, Mapping[str, Any]]]) -> list[str]:
    """Sentences about texts whose spans may no longer fit. Stock nodes change a text, but keep the spans.

    Args:
        texts: encoded prompts [B, tokens, D] and their options, as in a CONDITIONING.
    """
    changes = (options[TEXT_KEY].change(text) for text, options in texts if TEXT_KEY in options)
    return list(dict.fromkeys(change for change in changes if change))


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


def _digest(text: Tensor) -> str:
    """Digest of the first row of an encoded prompt [B, tokens, D]."""
    values = text[:1].detach().float().cpu() + 0.0  # turns -0.0 into 0.0, which a sum with 0 does too
    return hashlib.sha256(values.contiguous().numpy().tobytes()).hexdigest()
