"""Where a phrase stands among the tokens that the text encoder really gets."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

from torch import Tensor

from ..errors import AttentionError

UNKNOWN = "\ufffd"
"""Stands for what is outside the vocabulary."""
EMBEDDING = "\ufffc"
"""Stands for the vector of a textual inversion."""


@dataclass(frozen=True)
class TokenText:
    """A text as the encoder sees it, rebuilt from its pieces, in small letters.

    Attributes:
        text: the rebuilt text.
        owners: for every character of it, the position of its token.
    """

    text: str
    owners: list[int]


def find_span(
    tokenizer: Any, prompt: str, phrase: str, occurrence: int = 0, *, max_length: int | None = None
) -> list[int]:
    """Positions of a phrase's tokens in the encoded prompt, counted over all its chunks as they are joined.

    Capitals, line breaks, weights and the way words are cut into pieces do not matter; but words are found whole only.
    What T5 does not know (such as emoji) looks the same to it, and is found alike.

    Args:
        tokenizer: transformers' T5 tokenizer; or ComfyUI's wrapper of it, `clip.tokenizer.t5xxl`, which reads weights
            such as `(pixel-art:1.2)` and escaped parentheses as it does when it encodes.
        prompt: the whole prompt.
        phrase: words of it.
        occurrence: which one, from 0, where the phrase is repeated; counted without overlap, as `str.count` does.
        max_length: tokens after which the prompt is cut before it is encoded; None: it is not.

    Raises:
        AttentionError: the phrase is empty, or does not stand in the prompt, or not that often.
    """
    read = _reader(tokenizer)
    seen = read(prompt, limit=max_length)
    found = _find(read, seen, phrase, prompt)
    if not 0 <= occurrence < len(found):
        raise _not_found(prompt, phrase, occurrence, len(found), max_length)
    start, end = found[occurrence].span()
    return sorted(set(seen.owners[start:end]))


def count_phrase(tokenizer: Any, text: str, phrase: str) -> int:
    """How often a phrase stands in a text without weights: by the beginning of a prompt, which occurrence comes next.

    Raises:
        AttentionError: the phrase is empty.
    """
    read = _reader(tokenizer)
    return len(_find(read, read(text, plain=True), phrase, text))


class _Reader(Protocol):
    """Reads a text as its encoder sees it, up to `limit` tokens; `plain`: its parentheses are no weights."""

    def __call__(self, text: str, *, plain: bool = False, limit: int | None = None) -> TokenText: ...


def _reader(tokenizer: Any) -> _Reader:
    """The way of this tokenizer, which is known by what it offers."""
    if hasattr(tokenizer, "tokenize_with_weights"):

        def read_chunks(text: str, *, plain: bool = False, limit: int | None = None) -> TokenText:
            chunks = tokenizer.tokenize_with_weights(text, **({"disable_weights": True} if plain else {}))
            return _rebuild(tokenizer.tokenizer, [token[0] for chunk in chunks for token in chunk][:limit])

        return read_chunks
    if hasattr(tokenizer, "convert_ids_to_tokens"):

        def read(text: str, *, plain: bool = False, limit: int | None = None) -> TokenText:
            return _rebuild(tokenizer, tokenizer(text, truncation=limit is not None, max_length=limit)["input_ids"])

        return read
    raise AttentionError(
        f"A {type(tokenizer).__name__} is not a tokenizer that spans can be found with; "
        "give transformers' T5 tokenizer or ComfyUI's `clip.tokenizer.t5xxl`."
    )


def _find(read: _Reader, seen: TokenText, phrase: str, prompt: str) -> list[re.Match[str]]:
    """All places of the phrase in `prompt`, which reads as `seen`."""
    # A phrase may be written as the prompt has it, with weights, or as it reads, with plain parentheses.
    for wanted in (read(phrase), read(phrase, plain=True)):
        words = re.findall(r"\w+|[^\w\s]", wanted.text)
        if not words:
            raise AttentionError(f'The phrase to find is empty; give words of the prompt "{prompt}".')
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
        return ""  # end and padding hold no text: a phrase may run over the border of two chunks
    if token == tokenizer.unk_token_id:
        return UNKNOWN
    # casefold may lengthen a piece ("ß" becomes "ss"), so that it comes before the characters get their owners.
    return tokenizer.convert_ids_to_tokens(token).replace("▁", " ").casefold()


def _pattern(words: Sequence[str]) -> re.Pattern[str]:
    """Words and punctuation marks in a row, whole words at both ends.

    A weight's parenthesis parts "(pixel:1.2)-art" before the hyphen: beside punctuation, spaces come and go.
    """
    is_word = [re.match(r"\w", word) is not None for word in words]
    gaps = [r"\s+" if both else r"\s*" for both in (first and second for first, second in pairwise(is_word))]
    body = "".join(gap + re.escape(word) for gap, word in zip(["", *gaps], words, strict=True))
    return re.compile((r"\b" if is_word[0] else "") + body + (r"\b" if is_word[-1] else ""))


def _not_found(prompt: str, phrase: str, occurrence: int, found: int, max_length: int | None) -> AttentionError:
    where = f'in the prompt "{prompt}"' if max_length is None else f'in the first {max_length} tokens of "{prompt}"'
    if found:
        return AttentionError(
            f'The phrase "{phrase}" stands {found} times {where}; number {occurrence} was asked for, counted from 0.'
        )
    return AttentionError(f'The phrase "{phrase}" does not stand {where}; give words as they are written there.')
