"""The text of a CONDITIONING, which Region Style Prompt keeps, so that any phrase can be found when sampling begins."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...attention import AttentionError
from ...attention.phrases import without_article
from ...attention.spans import find_spans

PROMPT_KEY = "styleroute_prompt"
"""Key of the text in the options of each text in a CONDITIONING. Stock nodes copy keys that they do not know."""


@dataclass(frozen=True, eq=False)
class PromptText:
    """A prompt and the tokenizer that encoded it.

    Attributes:
        text: the prompt, with its weights.
        tokenizer: ComfyUI's T5 tokenizer.
    """

    text: str
    tokenizer: Any

    def tokens_of(self, phrase: str) -> tuple[int, ...]:
        """Positions of the phrase's tokens among the text tokens, of all its mentions; empty if it is not there.

        Raises:
            AttentionError: the phrase is empty.
        """
        # Articles get attention from the whole image.
        spans = find_spans(self.tokenizer, self.text, without_article(phrase))
        return tuple(token for span in spans for token in span)


def with_prompt_text(conditioning: list, prompt: PromptText) -> list:
    """A copy of a CONDITIONING with `prompt` in the options of every text."""
    return [[text, {**options, PROMPT_KEY: prompt}] for text, options in conditioning]


def prompt_text_in(options: Mapping[str, Any]) -> PromptText | None:
    """The prompt in the options of one text; None unless Region Style Prompt encoded the text."""
    return options.get(PROMPT_KEY)


def require_phrase(prompts: list[PromptText], phrase: str) -> None:
    """Requires that at least one prompt contains a phrase.

    Raises:
        AttentionError: no prompt is known, or none contains the phrase.
    """
    if not prompts:
        raise AttentionError(
            f'The object "{phrase}" cannot be found, because the prompt does not know its words. Encode the positive '
            "prompt with Region Style Prompt instead of CLIP Text Encode."
        )
    if not any(prompt.tokens_of(phrase) for prompt in prompts):
        raise AttentionError(
            f'The object "{phrase}" is not in the prompt "{prompts[0].text}". Write words of the prompt, or add the '
            "object to the prompt."
        )
