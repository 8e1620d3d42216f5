"""Finds a phrase among the tokens that the text encoder receives."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

from torch import Tensor

from ..errors import AttentionError
from ..plain_text import quoted
from .nesting import require_shallow

UNKNOWN = "\ufffd"
"""Character for a token outside the vocabulary."""
EMBEDDING = "\ufffc"
"""Character for the vector of a textual inversion."""


@dataclass(frozen=True)
class TokenText:
    """A text as the encoder reads it, rebuilt from its tokens in small letters.

    Attributes:
        text: the rebuilt text.
        owners: for each character of `text`, the position of its token.
    """

    text: str
    owners: list[int]


def find_span(
    tokenizer: Any, prompt: str, phrase: str, occurrence: int = 0, *, max_length: int | None = None
) -> list[int]:
    """Positions of a phrase's tokens in the encoded prompt, counted over all joined chunks.

    Capitals, line breaks, weights and the split of words into tokens do not matter. Only whole words match.
    T5 maps all unknown characters (such as emoji) to one token, so any of them matches any other.

    Args:
        tokenizer: transformers' T5 tokenizer; or ComfyUI's wrapper of it, `clip.tokenizer.t5xxl`, which reads weights
            such as `(pixel-art:1.2)` and escaped parentheses in the same way as when it encodes.
        prompt: the whole prompt.
        phrase: words of the prompt.
        occurrence: index of the occurrence if the phrase is repeated; counted without overlap, like `str.count`.
        max_length: number of tokens after which the prompt is cut before encoding; None: it is not cut.

    Raises:
        AttentionError: the phrase is empty, is not in the prompt, or does not occur that often. Or the prompt has too
            many parentheses inside each other.
    """
    read = _reader(tokenizer)
    seen = read(prompt, limit=max_length)
    found = _find(read, seen, phrase, prompt)
    if not 0 <= occurrence < len(found):
        raise _not_found(prompt, phrase, occurrence, len(found), max_length)
    start, end = found[occurrence].span()
    return sorted(set(seen.owners[start:end]))


def count_phrase(tokenizer: Any, text: str, phrase: str) -> int:
    """Number of occurrences of a phrase in a text without weights.

    For the beginning of a prompt, it is the index of the next occurrence.

    Raises:
        AttentionError: the phrase is empty.
    """
    read = _reader(tokenizer)
    return len(_find(read, read(text, plain=True), phrase, text))


class _Reader(Protocol):
    """Reads a text as its encoder does, up to `limit` tokens; with `plain`, parentheses are text and no weights."""

    def __call__(self, text: str, *, plain: bool = False, limit: int | None = None) -> TokenText: ...


def _reader(tokenizer: Any) -> _Reader:
    """The reader for this tokenizer, chosen by the methods that it has."""
    if hasattr(tokenizer, "tokenize_with_weights"):

        def read_chunks(text: str, *, plain: bool = False, limit: int | None = None) -> TokenText:
            if not plain:
                require_shallow(text)
            chunks = tokenizer.tokenize_with_weights(text, **({"disable_weights": True} if plain else {}))
            return _rebuild(tokenizer.tokenizer, [token[0] for chunk in chunks for token in chunk][:limit])

        return read_chunks
    if hasattr(tokenizer, "convert_ids_to_tokens"):

        def read(text: str, *, plain: bool = False, limit: int | None = None) -> TokenText:
            return _rebuild(tokenizer, tokenizer(text, truncation=limit is not None, max_length=limit)["input_ids"])

        return read
    raise AttentionError(
        f"Found a tokenizer of type {type(tokenizer).__name__}, "
        "expected transformers' T5 tokenizer or ComfyUI's `clip.tokenizer.t5xxl`."
    )


def _find(read: _Reader, seen: TokenText, phrase: str, prompt: str) -> list[re.Match[str]]:
    """All matches of the phrase in `seen`, the token text of `prompt`."""
    # The phrase may contain weights like the prompt, or plain parentheses.
    for wanted in (read(phrase), read(phrase, plain=True)):
        words = re.findall(r"\w+|[^\w\s]", wanted.text)
        if not words:
            raise AttentionError(f"The phrase is empty. Give words of the prompt {quoted(prompt)}.")
        if found := list(_pattern(words).finditer(seen.text)):
            return found
    return []


def _rebuild(tokenizer: Any, ids: Sequence[int | Tensor]) -> TokenText:
    silent = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    text, owners = [], []
    for position, token in enumerate(ids):
        piece = _piece(tokenizer, token, silent)
        text.append(piece)
        owners += [position] * len(piece)
    return TokenText("".join(text), owners)


def _piece(tokenizer: Any, token: int | Tensor, silent: set[int]) -> str:
    if isinstance(token, Tensor):
        return f" {EMBEDDING} "
    if token in silent:
        return ""  # end and padding tokens have no text, so a phrase can continue in the next chunk
    if token == tokenizer.unk_token_id:
        return UNKNOWN
    # casefold may lengthen a piece ("ß" becomes "ss"), so it runs before the characters get their owners.
    return tokenizer.convert_ids_to_tokens(token).replace("▁", " ").casefold()


def _pattern(words: Sequence[str]) -> re.Pattern[str]:
    """A pattern for words and punctuation marks in a row, with whole words at both ends.

    Spaces beside punctuation are optional: a weight such as "(pixel:1.2)-art" adds one before the hyphen.
    """
    is_word = [re.match(r"\w", word) is not None for word in words]
    gaps = [r"\s+" if both else r"\s*" for both in (first and second for first, second in pairwise(is_word))]
    body = "".join(gap + re.escape(word) for gap, word in zip(["", *gaps], words, strict=True))
    return re.compile((r"\b" if is_word[0] else "") + body + (r"\b" if is_word[-1] else ""))


def _not_found(prompt: str, phrase: str, occurrence: int, found: int, max_length: int | None) -> AttentionError:
    place = "in the prompt" if max_length is None else f"in the first {max_length} tokens of"
    where = f"{place} {quoted(prompt)}"
    if found:
        return AttentionError(
            f"The phrase {quoted(phrase)} occurs {found} times {where}, so there is no occurrence {occurrence}. "
            "Occurrences count from 0."
        )
    return AttentionError(f"The phrase {quoted(phrase)} is not {where}. Give words exactly as they are written there.")
