"""Region Style Prompt: a prompt that knows where it names the object and its style."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from comfy_api.latest import io

from ...attention import AttentionError, find_span, parse_instruction
from ...attention.phrases import Mention
from ...attention.spans import count_phrase
from ..maps.region_spans import RegionSpan, Role, with_spans
from ..schema import schema

BAR = "|"
"""Parts several phrases that are given by hand."""


class RegionPrompt(io.ComfyNode):
    """Encodes a prompt as CLIP Text Encode does, and finds the tokens of its object and style phrases."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="StyleRoute_RegionPrompt",
            display_name="Region Style Prompt",
            description="Encodes a prompt such as 'make the man in pixel-art style' and remembers which of its tokens "
            "name the object and the style, so that samplers can show where the model looks for them.",
            search_aliases=["regional style", "region prompt", "attention prompt"],
            inputs=[
                io.Clip.Input("clip", tooltip="The text encoders of FLUX.1: CLIP-L and T5."),
                io.String.Input(
                    "text",
                    multiline=True,
                    dynamic_prompts=True,
                    default="make the man in pixel-art style, keep other area unchanged",
                    tooltip="The instruction, best as 'make the X in Y style, keep other area unchanged'. "
                    "Several objects may be named: 'the X in Y style and the Z in W style'.",
                ),
                io.String.Input(
                    "object_phrase",
                    default="",
                    optional=True,
                    tooltip="Words of the text that name the object. Left empty, they are found in the text. "
                    "Several are parted by |.",
                ),
                io.String.Input(
                    "style_phrase",
                    default="",
                    optional=True,
                    tooltip="Words of the text that name the style. Left empty, they are found in the text. "
                    "Several are parted by |.",
                ),
            ],
            outputs=[
                io.Conditioning.Output(
                    "CONDITIONING", tooltip="The prompt, for Flux Guidance, Reference Latent and a sampler."
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
    """The spans of the phrases that are given, or else found in `text`, each where it names the object or the style.

    A style that two clauses name has two spans, as each of them has a place of its own in the image; one that is
    named once, for two objects, has one.

    Raises:
        AttentionError: a phrase does not stand in the text, or there is none.
    """
    found = parse_instruction(text)
    objects = _given(object_phrase) or [part.object for part in found if part.object]
    styles = _given(style_phrase) or [part.style for part in found if part.style.words]
    if not objects and not styles:
        raise AttentionError(
            f'No object and no style was found in the prompt "{text}"; write it as "make the man in pixel-art style", '
            "or give object_phrase and style_phrase by hand."
        )
    return [*_spans(tokenizer, text, objects, "object"), *_spans(tokenizer, text, styles, "style")]


def _given(phrases: str) -> list[Mention]:
    """Of what is given by hand, the first that the text has of it is meant."""
    return [Mention(phrase.strip()) for phrase in phrases.split(BAR) if phrase.strip()]


def _spans(tokenizer: Any, text: str, mentions: Sequence[Mention], role: Role) -> Iterator[RegionSpan]:
    numbers = Counter()
    for mention in dict.fromkeys(mentions):
        numbers[mention.words] += 1
        earlier = count_phrase(tokenizer, mention.before, mention.words)
        tokens = find_span(tokenizer, text, mention.words, earlier)
        yield RegionSpan(mention.words, role, tuple(tokens), numbers[mention.words])


def _require_t5_alone(conditioning: list, tokens: Mapping[str, list]) -> None:
    """Spans count T5's tokens; other families' encoders put CLIP's before them.

    Raises:
        AttentionError: the prompt was encoded in another length than T5's.
    """
    expected = sum(len(chunk) for chunk in tokens.get("t5xxl", ()))
    found = conditioning[0][0].shape[1]
    if found != expected:
        raise AttentionError(
            f"This CLIP encodes the prompt as {found} tokens, but FLUX.1 Kontext expects T5's {expected} alone, and "
            "phrases would be looked for in the wrong place; load it with DualCLIPLoader, type flux."
        )


def _t5_tokenizer(clip: Any) -> Any:
    """FLUX.1 sees the tokens of T5 only.

    Raises:
        AttentionError: there is no CLIP, or it has no T5.
    """
    tokenizer = getattr(getattr(clip, "tokenizer", None), "t5xxl", None)
    if tokenizer is None:
        what = type(getattr(clip, "tokenizer", clip)).__name__
        raise AttentionError(
            f"This CLIP reads prompts by {what} and has no T5, whose tokens FLUX.1 Kontext sees; "
            "load FLUX.1's text encoders with DualCLIPLoader, type flux."
        )
    return tokenizer
