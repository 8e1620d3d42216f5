"""Where a phrase stands among the tokens that the text encoder really gets."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from .errors import AttentionError

UNKNOWN, EMBEDDING = "\ufffd", "\ufffc"
"""Stand for a piece outside the vocabulary, and for a textual inversion's vector."""


@dataclass(frozen=True)
class TokenText:
    """The text as the encoder sees it: rebuilt from the pieces, in small letters.

    Attributes:
        text: the rebuilt text.
        owners: for every character of it, the position of its token.
    """

    text: str
    owners: list[int]


def find_span(
    tokenizer: Any, prompt: str, phrase: str, occurrence: int = 0, *, max_length: int | None = None
) -> list[int]:
    """Positions of a phrase's tokens in the encoded prompt, over all chunks as they are concatenated.

    The phrase is found whatever its capitals, sub-word pieces, weights or line breaks, but only as whole words.

    Args:
        tokenizer: transformers' T5 tokenizer, or ComfyUI's wrapper of it (`clip.tokenizer.t5xxl`), which reads weights
            such as `(pixel-art:1.2)` and escaped parentheses as it does when it encodes.
        prompt: the whole prompt.
        phrase: the words to find in it.
        occurrence: which one, from 0, where the phrase is repeated.
        max_length: tokens after which the prompt is cut before it is encoded; None: it is not cut.

    Raises:
        AttentionError: the phrase is empty, or does not stand in the prompt (so often).
    """
    read = _reader(tokenizer, max_length)
    seen = read(prompt, True)
    matches: list[re.Match[str]] = []
    # A phrase may be written as in the prompt, with weights, or as it reads, with plain parentheses.
    for with_weights in (True, False):
        if not (wanted := read(phrase, with_weights).text.strip()):
            raise AttentionError(f'The phrase to find is empty in the prompt "{prompt}"; name words of the prompt.')
        matches = matches or list(_pattern(wanted).finditer(seen.text))
    if not 0 <= occurrence < len(matches):
        raise _not_found(prompt, phrase, occurrence, len(matches), max_length)
    start, end = matches[occurrence].span()
    return sorted(set(seen.owners[start:end]))


def _reader(tokenizer: Any, max_length: int | None) -> Callable[[str, bool], TokenText]:
    """How this tokenizer turns a text, with weights read or taken literally, into what its encoder sees."""
    if hasattr(tokenizer, "tokenize_with_weights"):  # ComfyUI's SDTokenizer

        def read(text: str, with_weights: bool) -> TokenText:
            chunks = tokenizer.tokenize_with_weights(text, disable_weights=not with_weights)
            return _rebuild(tokenizer.tokenizer, [token[0] for chunk in chunks for token in chunk][:max_length])

    elif hasattr(tokenizer, "convert_ids_to_tokens"):

        def read(text: str, with_weights: bool) -> TokenText:
            cut = {} if max_length is None else {"truncation": True, "max_length": max_length}
            return _rebuild(tokenizer, tokenizer(text, **cut)["input_ids"])

    else:
        raise AttentionError(
            f"A {type(tokenizer).__name__} is no tokenizer that is known here; "
            "give transformers' T5 tokenizer or ComfyUI's `clip.tokenizer.t5xxl`."
        )
    return read


def _rebuild(tokenizer: Any, ids: Sequence[int | Tensor]) -> TokenText:
    """Special tokens (end, padding) hold no text, so a phrase may run over the border of two chunks."""
    silent = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    text, owners = [], []
    for position, piece in enumerate(_pieces(tokenizer, ids, silent)):
        text.append(piece)
        owners += [position] * len(piece)
    return TokenText("".join(text), owners)


def _pieces(tokenizer: Any, ids: Sequence[int | Tensor], silent: set[int]) -> Iterable[str]:
    for token in ids:
        if isinstance(token, Tensor):
            yield f" {EMBEDDING} "
        elif token in silent:
            yield ""
        elif token == tokenizer.unk_token_id:
            yield UNKNOWN
        else:
            # casefold may lengthen a piece ("ß" becomes "ss"): it is done here, before the characters get their owners.
            yield tokenizer.convert_ids_to_tokens(token).replace("▁", " ").casefold()


def _pattern(phrase: str) -> re.Pattern[str]:
    """Whole words; spaces may come and go beside punctuation, where a weight's parenthesis can part the pieces."""
    parts = re.findall(r"\w+|[^\w\s]", phrase)
    body = parts[0]
    pattern = re.escape(parts[0])
    for before, part in zip(parts, parts[1:], strict=False):
        both_words = before[-1:].isalnum() and part[:1].isalnum()
        pattern += (r"\s+" if both_words else r"\s*") + re.escape(part)
        body = part
    start = r"(?<!\w)" if re.match(r"\w", parts[0]) else ""
    end = r"(?!\w)" if re.search(r"\w$", body) else ""
    return re.compile(start + pattern + end)


def _not_found(prompt: str, phrase: str, occurrence: int, found: int, max_length: int | None) -> AttentionError:
    cut = "" if max_length is None else f", of which the encoder gets the first {max_length} tokens"
    if found:
        return AttentionError(
            f'The phrase "{phrase}" stands {found} times in the prompt "{prompt}"{cut}; '
            f"occurrence {occurrence} was asked for, and they count from 0."
        )
    return AttentionError(
        f'The phrase "{phrase}" does not stand in the prompt "{prompt}"{cut}; use words exactly as they are written there.'
    )
