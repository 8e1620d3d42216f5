"""Region Style Prompt: a prompt that knows where it names the object and its style."""

from typing import Any

from comfy_api.latest import io

from ..attention import AttentionError, find_span, parse_instruction
from .region_spans import RegionSpan, Role, with_spans
from .schema import schema

BAR = "|"
"""Parts several phrases that are given by hand."""


class RegionPrompt(io.ComfyNode):
    """Encodes a prompt as CLIP Text Encode does, and finds the tokens of its object and style phrases."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="StyleRoute_RegionPrompt",
            display_name="Region Style Prompt",
            description="Encodes a prompt such as 'make the guitar in mosaic style' and remembers which of its tokens "
            "name the object and the style, so that samplers can show where the model looks for them.",
            search_aliases=["regional style", "region prompt", "attention prompt"],
            inputs=[
                io.Clip.Input("clip", tooltip="The text encoders of FLUX.1: CLIP-L and T5."),
                io.String.Input(
                    "text",
                    multiline=True,
                    dynamic_prompts=True,
                    default="make the guitar in mosaic style, keep other area unchanged",
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
        conditioning = clip.encode_from_tokens_scheduled(clip.tokenize(text))
        return io.NodeOutput(with_spans(conditioning, spans))


def prompt_spans(tokenizer: Any, text: str, object_phrase: str = "", style_phrase: str = "") -> list[RegionSpan]:
    """The spans of the phrases that are given, or else found in `text`; each phrase once.

    Raises:
        AttentionError: a phrase does not stand in the text, or there is none.
    """
    found = parse_instruction(text)
    objects = _given(object_phrase) or [part.object for part in found if part.object]
    styles = _given(style_phrase) or [part.style for part in found if part.style]
    if not objects and not styles:
        raise AttentionError(
            f'No object and no style was found in the prompt "{text}"; write it as "make the guitar in mosaic style", '
            "or give object_phrase and style_phrase by hand."
        )
    return [_span(tokenizer, text, phrase, role) for role, phrase in _once(objects, styles)]


def _given(phrases: str) -> list[str]:
    return [phrase.strip() for phrase in phrases.split(BAR) if phrase.strip()]


def _once(objects: list[str], styles: list[str]) -> dict[tuple[Role, str], None]:
    return dict.fromkeys([*(("object", phrase) for phrase in objects), *(("style", phrase) for phrase in styles)])


def _span(tokenizer: Any, text: str, phrase: str, role: Role) -> RegionSpan:
    return RegionSpan(phrase, role, tuple(find_span(tokenizer, text, phrase)))


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
