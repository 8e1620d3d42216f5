"""Where the style of an example stands in its prompt, and which masks belong to each mention."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...attention import AttentionError, find_span
from ..data.region_manifest import RegionExample


@dataclass(frozen=True)
class Mention:
    """Token positions of the style's words, and the masks of the objects that they are said of."""

    tokens: tuple[int, ...]
    masks: tuple[Path, ...]


def find_mentions(tokenizer: Any, example: RegionExample, style: str, length: int) -> tuple[Mention, ...]:
    """The mentions of a style in the prompt.

    Said as often as there are objects of the style, each mention has its own object, in their order; else the first
    one stands for all ("make the man and the dog in pixel-art style").

    Args:
        tokenizer: T5's.
        length: tokens of a prompt that the model gets.

    Raises:
        AttentionError: the style's words are not in the part of the prompt that the model gets.
    """
    masks = [region.mask for region in example.regions if region.style == style]
    spans = [find_span(tokenizer, example.prompt, style, max_length=length)]
    for occurrence in range(1, len(masks)):
        try:
            spans.append(find_span(tokenizer, example.prompt, style, occurrence, max_length=length))
        except AttentionError:
            return (Mention(tuple(spans[0]), tuple(masks)),)
    return tuple(Mention(tuple(span), (mask,)) for span, mask in zip(spans, masks, strict=True))


def split_tokens(mentions: Sequence[Mention]) -> tuple[Mention, ...]:
    """A mention for every token: the release supervises each for itself."""
    return tuple(Mention((token,), mention.masks) for mention in mentions for token in mention.tokens)
