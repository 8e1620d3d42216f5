"""The prompts of Style Guider: the whole prompt, the prompt without its content, and the prompt without its style."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ...moe import StyleExpertError
from ..branch.prompt_styles import FACTOR_KEY
from ..maps.prompt_text import PROMPT_KEY
from ..maps.region_spans import SPANS_KEY, TEXT_KEY
from ..styles.style_reference import INDEX_METHOD

Conditioning = list[list[Any]]
"""ComfyUI's CONDITIONING: [encoded text, options] for each text."""
REFERENCES, METHOD = "reference_latents", "reference_latents_method"
"""Keys of the reference latents and of their method, in the options of each text."""
PHRASES = (SPANS_KEY, TEXT_KEY, PROMPT_KEY)
"""Keys that name phrases. Only the whole prompt keeps them, because only its attention maps show the result."""


def with_references(conditioning: Conditioning, content: Tensor | None, style: Tensor | None) -> Conditioning:
    """The prompt with two more references: the content before the prompt's own references, the style after them.

    Raises:
        StyleExpertError: the prompt has the content already.
    """
    return [[text, _with_references(options, content, style)] for text, options in conditioning]


@dataclass(frozen=True)
class ReferenceOrder:
    """How many of a prompt's references show the content. They come first; the others show styles.

    Attributes:
        is_content_only: whether the prompt's own references all show the content, because no style reads an image.
            If not, the first one shows the content.
        added_styles: number of style references that were added behind the prompt's own ones.
    """

    is_content_only: bool
    added_styles: int = 0

    def contents(self, options: Mapping[str, Any]) -> int:
        """The number of references in the options of one text that show the content."""
        own = len(references_in(options)) - self.added_styles
        return own if self.is_content_only else min(own, 1)

    def styles(self, options: Mapping[str, Any]) -> int:
        """The number of references in the options of one text that show a style."""
        return len(references_in(options)) - self.contents(options)


def without_content(conditioning: Conditioning, order: ReferenceOrder) -> Conditioning:
    """The same text with the style references only."""
    return [
        [text, _with_some(options, references_in(options)[order.contents(options) :])] for text, options in conditioning
    ]


def without_style(conditioning: Conditioning, order: ReferenceOrder) -> Conditioning:
    """The same text with the content references only, and with no style of the model."""
    return [
        [text, {**_with_some(options, references_in(options)[: order.contents(options)]), FACTOR_KEY: 0.0}]
        for text, options in conditioning
    ]


def references_in(options: Mapping[str, Any]) -> Sequence[Tensor]:
    """The reference latents in the options of one text."""
    return options.get(REFERENCES) or ()


def _with_references(options: Mapping[str, Any], content: Tensor | None, style: Tensor | None) -> dict[str, Any]:
    present = references_in(options)
    if content is not None and any(latent is content for latent in present):
        raise StyleExpertError(
            "The content image is connected twice: to content_reference, and to the prompt by Reference Latent. "
            "Disconnect content_reference."
        )
    added = [latent for latent in (content, *present, style) if latent is not None]
    if len(added) == len(present):
        return dict(options)
    return {METHOD: INDEX_METHOD, **options, REFERENCES: added}


def _with_some(options: Mapping[str, Any], references: Sequence[Tensor]) -> dict[str, Any]:
    """The options without phrases, and with these references only."""
    kept = {key: value for key, value in options.items() if key not in (*PHRASES, REFERENCES)}
    if references:
        return {**kept, REFERENCES: list(references)}
    kept.pop(METHOD, None)
    return kept
