"""Token spans of a style in the prompt of an example, and the masks of the objects that each span belongs to."""

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
class MaskedSpan:
    """A span of the style's tokens with the masks of its objects.

    Attributes:
        tokens: token positions.
        masks: mask files of the objects that have this style.
    """

    tokens: tuple[int, ...]
    masks: tuple[Path, ...]


DescribedExample = tuple[RegionExample, tuple[MaskedSpan, ...]]
"""An example and the spans of the trained style in its prompt."""


def describe(rows: Sequence[RegionExample], style: str, base: Base, each_token: bool = False) -> list[DescribedExample]:
    """The examples whose objects all have this style, with the style's spans. Nothing is encoded yet.

    Args:
        rows: all examples of the dataset.
        style: the style to train.
        base: the base model, whose tokenizer splits the prompts.
        each_token: make a span of each token.

    Raises:
        TrainingError: no example has this style alone.
        AttentionError: a prompt does not contain the style's words.
    """
    alone = [row for row in rows if row.styles == (style,)]
    if mixed := sum(style in row.styles for row in rows) - len(alone):
        console.print(f"Left out {mixed} examples that have another style beside {style}")
    if not alone:
        available = dict.fromkeys(style for row in rows for style in row.styles)
        raise TrainingError(
            f"no example has the style {style!r} alone, expected at least one: give --styles of {', '.join(available)}"
        )
    found = [find_style_spans(base.tokenizer, row, style, base.text_sizes[0]) for row in alone]
    return list(zip(alone, map(split_tokens, found) if each_token else found, strict=True))


def require_several_tokens(described: Sequence[DescribedExample], style: str) -> None:
    """Check that a softmax over the style's own tokens has a gradient: over a single token it is constant, 1.

    Raises:
        TrainingError: the style is a single token in every prompt.
    """
    if all(len({token for span in row for token in span.tokens}) == len(row) == 1 for _, row in described):
        raise TrainingError(
            f"the style {style!r} is a single token, so a softmax over the style's own tokens (slice `span`) has no "
            "gradient. Use the paper's slice (--preset small or paper), or --without attention"
        )


def find_style_spans(tokenizer: Any, example: RegionExample, style: str, length: int) -> tuple[MaskedSpan, ...]:
    """The spans of a style in the prompt.

    If the prompt is an instruction that names each object with its style, each span has the masks of its own objects,
    and the style's words elsewhere ("the mosaic floor in mosaic style") do not count. Otherwise all occurrences of the
    style's words count. If there is one for each object, each gets its own object, in order. If there are fewer, the
    first occurrence gets all objects.

    Args:
        tokenizer: T5's tokenizer.
        example: prompt and objects.
        style: the style's words.
        length: length of a prompt in tokens; the model does not get the rest.

    Raises:
        AttentionError: the first `length` tokens do not contain the style's words.
    """
    regions = [region for region in example.regions if region.style == style]
    if masks_of := _masks_by_mention(example.prompt, style, regions):
        return tuple(mention_span(tokenizer, example.prompt, one, masks, length) for one, masks in masks_of.items())
    masks = [region.mask for region in regions]
    spans = [find_span(tokenizer, example.prompt, style, max_length=length)]
    for occurrence in range(1, len(masks)):
        try:
            spans.append(find_span(tokenizer, example.prompt, style, occurrence, max_length=length))
        except AttentionError:
            return (MaskedSpan(tuple(spans[0]), tuple(masks)),)
    return tuple(MaskedSpan(tuple(span), (mask,)) for span, mask in zip(spans, masks, strict=True))


def split_tokens(spans: Sequence[MaskedSpan]) -> tuple[MaskedSpan, ...]:
    """A span for each token, as the release supervises them."""
    return tuple(MaskedSpan((token,), span.masks) for span in spans for token in span.tokens)


def _masks_by_mention(prompt: str, style: str, regions: Sequence[Region]) -> dict[phrases.Mention, list[Path]]:
    """Masks of the objects of each mention of the style; empty if the prompt does not name every object.

    Objects with the same name ("the dog ... and the dog ...") are matched in their order.
    """
    named = [
        (part.object.words.casefold(), part.style)
        for part in phrases.parse_instruction(prompt)
        if part.object and phrases.style_stem(part.style.words) == phrases.style_stem(style)
    ]
    found: dict[phrases.Mention, list[Path]] = {}
    for region in regions:
        index = next((index for index, (name, _) in enumerate(named) if name == region.object.casefold()), None)
        if index is None:
            return {}
        found.setdefault(named.pop(index)[1], []).append(region.mask)
    return found


def mention_span(
    tokenizer: Any, prompt: str, mention: phrases.Mention, masks: Sequence[Path], length: int
) -> MaskedSpan:
    """The tokens of a mention in the prompt, with the masks of its objects.

    Raises:
        AttentionError: the first `length` tokens do not contain the mention.
    """
    earlier = count_phrase(tokenizer, mention.before, mention.words)
    return MaskedSpan(tuple(find_span(tokenizer, prompt, mention.words, earlier, max_length=length)), tuple(masks))
