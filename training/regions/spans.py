"""Where the style of an example stands in its prompt, and which masks belong to each mention."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...attention import AttentionError, find_span, phrases
from ...attention.spans import count_phrase
from ...dataset.region_manifest import Region, RegionExample
from ...errors import TrainingError
from ...progress import console
from ..bases import Base


@dataclass(frozen=True)
class Mention:
    """Token positions of the style's words, and the masks of the objects that they are said of."""

    tokens: tuple[int, ...]
    masks: tuple[Path, ...]


Described = tuple[RegionExample, tuple[Mention, ...]]
"""An example and the mentions of the style that is learned from it."""


def describe(rows: Sequence[RegionExample], style: str, base: Base, each_token: bool = False) -> list[Described]:
    """The rows whose objects all have this style, with its mentions; nothing is encoded yet.

    Args:
        each_token: a mention for every token.

    Raises:
        TrainingError: no row is left.
        AttentionError: a prompt does not hold the style's words.
    """
    alone = [row for row in rows if row.styles == (style,)]
    if mixed := sum(style in row.styles for row in rows) - len(alone):
        console.print(f"Left out {mixed} examples that have another style beside {style}")
    if not alone:
        there = dict.fromkeys(style for row in rows for style in row.styles)
        raise TrainingError(
            f"no example is in the style {style!r} alone, expected some: give --styles of {', '.join(there)}"
        )
    found = [find_mentions(base.tokenizer, row, style, base.text_sizes[0]) for row in alone]
    return list(zip(alone, map(split_tokens, found) if each_token else found, strict=True))


def require_several_tokens(described: Sequence[Described], style: str) -> None:
    """For a softmax over the style's own tokens, which is 1 everywhere where there is but one.

    Raises:
        TrainingError: the style has but one in every prompt.
    """
    if all(len({token for mention in row for token in mention.tokens}) == len(row) == 1 for _, row in described):
        raise TrainingError(
            f"the style {style!r} is a single token, and a softmax over the style's own tokens (slice `span`) is 1 "
            "everywhere then: the losses would teach nothing; train it with the paper's slice (--preset small or "
            "paper), or with --without attention"
        )


def find_mentions(tokenizer: Any, example: RegionExample, style: str, length: int) -> tuple[Mention, ...]:
    """The mentions of a style in the prompt.

    Where the prompt is read as an instruction that says the style of each object by its name, each mention has the
    masks of its own objects, and words of the style elsewhere ("the mosaic floor in mosaic style") do not count. Else
    the style is looked for as it stands: said as often as there are objects, each mention has its own, in their order;
    or the first one stands for all.

    Args:
        tokenizer: T5's.
        length: tokens of a prompt that the model gets.

    Raises:
        AttentionError: the style's words are not in the part of the prompt that the model gets.
    """
    regions = [region for region in example.regions if region.style == style]
    if said := _said_of(example.prompt, style, regions):
        return tuple(_mention(tokenizer, example.prompt, one, masks, length) for one, masks in said.items())
    masks = [region.mask for region in regions]
    spans = [find_span(tokenizer, example.prompt, style, max_length=length)]
    for occurrence in range(1, len(masks)):
        try:
            spans.append(find_span(tokenizer, example.prompt, style, occurrence, max_length=length))
        except AttentionError:
            return (Mention(tuple(spans[0]), tuple(masks)),)
    return tuple(Mention(tuple(span), (mask,)) for span, mask in zip(spans, masks, strict=True))


def _said_of(prompt: str, style: str, regions: Sequence[Region]) -> dict[phrases.Mention, list[Path]]:
    """Each mention of the style, and the masks of the objects that it is said of; empty if not every object is named.

    Objects of one name ("the dog ... and the dog ...") are taken in their order.
    """
    named = [
        (part.object.words.casefold(), part.style)
        for part in phrases.parse_instruction(prompt)
        if part.object and phrases.style_stem(part.style.words) == phrases.style_stem(style)
    ]
    found: dict[phrases.Mention, list[Path]] = {}
    for region in regions:
        place = next((place for place, (name, _) in enumerate(named) if name == region.object.casefold()), None)
        if place is None:
            return {}
        found.setdefault(named.pop(place)[1], []).append(region.mask)
    return found


def _mention(tokenizer: Any, prompt: str, said: phrases.Mention, masks: Sequence[Path], length: int) -> Mention:
    earlier = count_phrase(tokenizer, said.before, said.words)
    return Mention(tuple(find_span(tokenizer, prompt, said.words, earlier, max_length=length)), tuple(masks))


def split_tokens(mentions: Sequence[Mention]) -> tuple[Mention, ...]:
    """A mention for every token: the release supervises each for itself."""
    return tuple(Mention((token,), mention.masks) for mention in mentions for token in mention.tokens)
