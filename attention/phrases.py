"""The object and the style that an instruction names."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Phrases:
    """What one clause of an instruction asks for.

    Attributes:
        object: "man"; None if the clause names none.
        style: "pixel-art"; None if the clause names none.
    """

    object: str | None
    style: str | None


_ARTICLE = r"(?:the|a|an|this|that|my|his|her|its|their)\s+"
_OBJECT = r"(?P<object>[^,;.]+?)"
_STYLE = r"(?P<style>[^,;.]+?)"
_END = r"(?=\s*(?:[,;.]|$|\band\s+(?:the|a|an|keep|make|turn|paint)\b))"
_CLAUSES = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"{_ARTICLE}{_OBJECT}\s+(?:in|into|to)\s+(?:the\s+style\s+of|style\s+of)\s+(?:(?:a|an|the)\s+)?{_STYLE}{_END}",
        rf"{_ARTICLE}{_OBJECT}\s+(?:in|into|to|with)\s+(?:(?:a|an|the)\s+)?{_STYLE}\s+styles?\b",
    )
]
_STYLE_ALONE = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\b(?:in|into|to)\s+(?:the\s+)?style\s+of\s+(?:(?:a|an|the)\s+)?{_STYLE}{_END}",
        rf"\b(?:in|into|to|with)\s+(?:(?:a|an|the)\s+)?{_STYLE}\s+styles?\b",
    )
]


def parse_instruction(text: str) -> tuple[Phrases, ...]:
    """Object and style of every clause such as "make the X in Y style" or "paint the X in the style of Y".

    Weights such as `(pixel-art:1.2)` are left out of the phrases. Nothing recognised gives an empty tuple.
    """
    text = _plain(text)
    found = sorted((match for clause in _CLAUSES for match in clause.finditer(text)), key=lambda match: match.start())
    if found:
        return tuple(Phrases(match["object"].strip(), match["style"].strip()) for match in found)
    styles = [match for clause in _STYLE_ALONE for match in clause.finditer(text)]
    return tuple(Phrases(None, match["style"].strip()) for match in styles)


def _plain(text: str) -> str:
    """Without weights, and with escaped parentheses as they read."""
    text = text.replace(r"\(", "\0").replace(r"\)", "\1")
    text = re.sub(r":\s*-?\d*\.?\d+\s*(?=\))", "", text).replace("(", "").replace(")", "")
    return " ".join(text.replace("\0", "(").replace("\1", ")").split())
