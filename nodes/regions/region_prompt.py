"""Region Style Prompt: encodes a prompt and finds the tokens of its object and style phrases."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from comfy_api.latest import io

from ...attention import AttentionError, find_span, parse_instruction
from ...attention.phrases import Mention
from ...attention.spans import count_phrase
from ...plain_text import quoted
from ..maps.region_spans import RegionSpan, Role, with_spans
from ..node_base import StyleRouteNode
from ..schema import schema

SEPARATOR = "|"
"""Separates several phrases in the inputs object_phrase and style_phrase."""


class RegionPrompt(StyleRouteNode):
    """Encodes a prompt as CLIP Text Encode does, and adds the spans of its phrases."""

    refusal = AttentionError

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="StyleRoute_RegionPrompt",
            display_name="Region Style Prompt",
            description="Encodes a prompt such as 'make the man in pixel-art style' and finds the tokens that name the "
            "object and the style, so that samplers can show where the model finds them in the image.",
            search_aliases=["regional style", "region prompt", "attention prompt", "regional prompt", "segment"],
            inputs=[
                io.Clip.Input("clip", tooltip="The text encoders of FLUX.1: CLIP-L and T5."),
                io.String.Input(
                    "text",
                    multiline=True,
                    dynamic_prompts=True,
                    default="make the man in pixel-art style, keep other area unchanged",
                    tooltip="The instruction, best as 'make the X in Y style, keep other area unchanged'. "
                    "It may name several objects: 'the X in Y style and the Z in W style'.",
                ),
                io.String.Input(
                    "object_phrase",
                    default="",
                    optional=True,
                    tooltip="The words of the text that name the object. If empty, the node finds them. "
                    "Separate several phrases with |.",
                ),
                io.String.Input(
                    "style_phrase",
                    default="",
                    optional=True,
                    tooltip="The words of the text that name the style. If empty, the node finds them. "
                    "Separate several phrases with |.",
                ),
            ],
            outputs=[
                io.Conditioning.Output(
                    "CONDITIONING", tooltip="The encoded prompt, for Flux Guidance, Reference Latent and a sampler."
                )
            ],
        )

    @classmethod
    def execute(cls, clip, text: str, object_phrase: str = "", style_phrase: str = "") -> io.NodeOutput:
        spans = prompt_spans(_t5_tokenizer(clip), text, object_phrase, style_phrase)
        tokens = clip.tokenize(text)
        conditioning = clip.encode_from_tokens_scheduled(tokens)
        _require_t5_alone(conditioning, tokens)
        return io.NodeOutput(with_spans(conditioning, spans))


def prompt_spans(tokenizer: Any, text: str, object_phrase: str = "", style_phrase: str = "") -> list[RegionSpan]:
    """The spans of the given phrases; phrases that are not given are found in `text`.

    A style that two clauses name has two spans, because each clause has its own region in the image. A style that is
    named once for two objects has one span.

    Raises:
        AttentionError: a phrase is not in the text, or there is no phrase.
    """
    found = parse_instruction(text)
    objects = _given(object_phrase) or [part.object for part in found if part.object]
    styles = _given(style_phrase) or [part.style for part in found if part.style.words]
    if not objects and not styles:
        raise AttentionError(
            f"No object and no style was found in the prompt {quoted(text)}. "
            'Write it as "make the man in pixel-art style", or fill in object_phrase and style_phrase.'
        )
    return [*_spans(tokenizer, text, objects, "object"), *_spans(tokenizer, text, styles, "style")]


def _given(phrases: str) -> list[Mention]:
    """The phrases of an input. Each means its first mention in the text."""
    return [Mention(phrase.strip()) for phrase in phrases.split(SEPARATOR) if phrase.strip()]


def _spans(tokenizer: Any, text: str, mentions: Sequence[Mention], role: Role) -> Iterator[RegionSpan]:
    numbers = Counter()
    for mention in dict.fromkeys(mentions):
        numbers[mention.words] += 1
        earlier = count_phrase(tokenizer, mention.before, mention.words)
        tokens = find_span(tokenizer, text, mention.words, earlier)
        yield RegionSpan(mention.words, role, tuple(tokens), numbers[mention.words])


def _require_t5_alone(conditioning: list, tokens: Mapping[str, list]) -> None:
    """Requires that the prompt has T5's tokens only. Encoders of other models put CLIP's tokens before T5's.

    Raises:
        AttentionError: the encoded prompt does not have the length of T5's tokens.
    """
    expected = sum(len(chunk) for chunk in tokens.get("t5xxl", ()))
    found = conditioning[0][0].shape[1]
    if found != expected:
        raise AttentionError(
            f"This CLIP encodes the prompt as {found} tokens, but FLUX.1 Kontext expects T5's {expected} tokens only. "
            "Load the text encoders with DualCLIPLoader, type flux."
        )


def _t5_tokenizer(clip: Any) -> Any:
    """The T5 tokenizer. FLUX.1 gets the tokens of T5 only.

    Raises:
        AttentionError: there is no CLIP, or it has no T5.
    """
    tokenizer = getattr(getattr(clip, "tokenizer", None), "t5xxl", None)
    if tokenizer is None:
        what = type(getattr(clip, "tokenizer", clip)).__name__
        raise AttentionError(
            f"This CLIP reads prompts with {what} and has no T5, which FLUX.1 Kontext needs. "
            "Load FLUX.1's text encoders with DualCLIPLoader, type flux."
        )
    return tokenizer
