"""Finds the objects and styles that an instruction names, such as "make the man in pixel-art style"."""

import re
from dataclasses import dataclass
from typing import NamedTuple

from .nesting import require_shallow


@dataclass(frozen=True)
class Mention:
    """A phrase of an instruction, and its position there.

    Attributes:
        words: the phrase without its article, such as "pixel-art".
        before: the text before the phrase, without weights. It identifies the phrase if the words occur several times.
    """

    words: str
    before: str = ""


@dataclass(frozen=True)
class Phrases:
    """An object and its style.

    Attributes:
        object: for instance "man"; None if the instruction names no object.
        style: for instance "pixel-art". Several objects can share one mention of a style.
    """

    object: Mention | None
    style: Mention


LONGEST_CLAUSE = 1000
"""Longest clause that is searched, in characters: a longer clause is prose, and would make the search slow."""

_ARTICLE = r"(?:the|an?|this|that|these|those|my|his|her|its|our|their)\b"
_PREPOSITION = r"(?:in|into|to|with|using|as|like)\b"
_VERB = r"(?:make|turn|transform|convert|change|paint|repaint|draw|redraw|render|show|restyle|styli[sz]e|apply|give)\b"
_KEEP = r"(?:keep|keeping|leave|leaving|preserve|preserving|without|do not|don't)\b"
_BREAK = rf"[,;:!?]|\.(?= |$)|\b(?:and|but|while|then)\b(?= (?:then )?(?:{_ARTICLE}|{_VERB}|{_KEEP}))"
# "guitar in mosaic style and owl in ink style": without an article, the later "style" shows that an object follows
_BREAK += rf"|(?:(?<=style )|(?<=styles ))and\b(?= (?!{_PREPOSITION}).{{1,60}} {_PREPOSITION} .{{0,60}}\bstyles?\b)"
_STYLE = rf"(?:{_ARTICLE} )?(?P<style>"

# Forms of a clause, the most specific one first.
_FORMS = tuple(
    re.compile(form, re.IGNORECASE)
    for form in (
        # the man in the style of Van Gogh
        rf"(?P<object>.*?)\b{_PREPOSITION} (?:the )?styles? of {_STYLE}.+)",
        # apply a pixel-art style to the man
        rf".*\b(?:apply|add|use) {_STYLE}.+?)[ -]styles? (?:to|on|for) (?P<object>.+)",
        # give the man a pixel-art look
        r".*\bgive (?P<object>.+) an? (?P<style>.+?)[ -](?:style|look)\b",
        # the man in pixel-art style
        rf"(?P<object>.*)\b{_PREPOSITION} {_STYLE}.+?)[ -]styles?\b",
        # make the man look like a mosaic
        rf"(?P<object>.+) looks? (?:like|as) {_STYLE}.+)",
        # turn the man into a mosaic, repaint the man as a mosaic
        rf"(?P<object>.*\b{_VERB} .+) (?:into|as) {_STYLE}.+)",
        # pixel-art style
        rf"(?P<object>){_STYLE}\S+(?: \S+)?)[ -]styles?$",
    )
)
_BREAKS = re.compile(_BREAK, re.IGNORECASE)
_GOES_ON, _ORDERS, _KEEPS = (
    re.compile(rf"(?:please )?{words}", re.IGNORECASE).match for words in (_ARTICLE, _VERB, _KEEP)
)
_BEFORE_NOUN = re.compile(rf"(?:(?!\b{_PREPOSITION}).)*?\b{_ARTICLE} |(?:please )?{_VERB} ", re.IGNORECASE)
_AROUND = " \"'"
_TWO_CLAUSES = re.compile(rf"\b{_PREPOSITION} .*\bstyles?\b", re.IGNORECASE).search
_AFTER_NOUN = re.compile(r"(?: (?:is|are|be|should|must|painted|drawn|rendered|shown))+$", re.IGNORECASE)


class _Words(NamedTuple):
    """A part of a text, and its start in the text."""

    text: str
    start: int

    def __bool__(self) -> bool:
        return bool(self.text)

    def part(self, start: int, end: int | None = None) -> "_Words":
        """The characters from `start` to `end`, counted in this part."""
        return _Words(self.text[start:end], self.start + start)

    def trimmed(self) -> "_Words":
        """This part without the spaces and quotation marks around it."""
        return _Words(self.text.strip(_AROUND), self.start + len(self.text) - len(self.text.lstrip(_AROUND)))


def parse_instruction(text: str) -> tuple[Phrases, ...]:
    """Find the objects and styles in "make the X in Y style, keep other area unchanged" and its natural variants.

    Several clauses, or several objects with one style, give several results. The result is empty if no clause is
    recognised, or if a phrase contains another clause. Weights such as `(pixel-art:1.2)` are removed from the phrases.

    Raises:
        AttentionError: the text has too many parentheses inside each other.
    """
    require_shallow(text)
    text = " ".join(_without_weights(text).split())
    pairs = _pairs(text)
    if any(_TWO_CLAUSES(words.text) for pair in pairs for words in pair if words):
        return ()
    return tuple(Phrases(_mention(text, noun) if noun else None, _mention(text, style)) for noun, style in pairs)


def style_stem(style: str) -> str:
    """The file name of a style: "pixel-art" for "Pixel Art style", "pixel art" or "pixel-art"."""
    words = "".join(letter if letter.isalnum() else " " for letter in style.casefold()).split()
    return "-".join(words[:-1] if len(words) > 1 and words[-1] == "style" else words) or "style"


def _pairs(text: str) -> list[tuple[_Words | None, _Words]]:
    """Pairs of an object, or None, and its style."""
    found: list[tuple[_Words | None, _Words]] = []
    listed: list[_Words] = []  # objects whose style follows later: "the man, the dog and ..."
    style: _Words | None = None  # a style whose objects may follow: "... style to the man and ...", "in ... style, ..."
    for clause in _clauses(text):
        goes_on = _GOES_ON(clause.text)
        listed = listed if goes_on else []
        if _KEEPS(clause.text):
            style = None
        elif match := next((match for form in _FORMS if (match := form.match(clause.text))), None):
            style = clause.part(*match.span("style")).trimmed()
            nouns = [noun for noun in (*listed, _noun(clause.part(*match.span("object")))) if noun]
            found += [(noun, style) for noun in nouns or [None]]
            listed, style = [], style if match.end("object") in (0, len(clause.text)) else None
        elif style and found[-1][0] is None and _ORDERS(clause.text):
            found[-1] = (_noun(clause), style)
        elif style and found[-1][0] and goes_on:
            found.append((_noun(clause), style))
        else:
            listed, style = [*listed, _noun(clause)], None
    return found


def _clauses(text: str) -> list[_Words]:
    whole, ends = _Words(text, 0), [match.span() for match in _BREAKS.finditer(text)]
    starts = [0, *(end for _, end in ends)]
    stops = [*(start for start, _ in ends), None]
    clauses = [whole.part(start, stop).trimmed() for start, stop in zip(starts, stops, strict=True)]
    return [clause for clause in clauses if 0 < len(clause.text) <= LONGEST_CLAUSE]


def _noun(words: _Words) -> _Words:
    """Remove the verb and the article before a noun; "man in the red coat" keeps its inner article."""
    lead = _BEFORE_NOUN.match(words.text)
    words = words.part(lead.end() if lead else 0).trimmed()
    tail = _AFTER_NOUN.search(words.text)
    return words.part(0, tail.start() if tail else None).trimmed()


def _mention(text: str, words: _Words) -> Mention:
    return Mention(words.text, text[: words.start])


def _without_weights(text: str) -> str:
    """The text as an encoder reads it: without weights, and with escaped parentheses as plain ones."""
    text = _without_groups(text.replace(r"\(", "\0").replace(r"\)", "\1"))
    return text.replace("\0", "(").replace("\1", ")")


def _without_groups(text: str) -> str:
    """Remove the parentheses and weight of each group as ComfyUI does; an unclosed parenthesis is plain text."""
    plain, depth, start = "", 0, 0
    for position, letter in enumerate(text):
        if letter == "(":
            if depth == 0:
                plain, start = plain + text[start:position], position
            depth += 1
        elif letter == ")":
            depth -= 1
            if depth == 0:
                plain, start = plain + _without_groups(_unweighted(text[start + 1 : position])), position + 1
    rest = text[start:]
    # In "(red (coat)" ComfyUI pairs the first parenthesis of the rest with the last one.
    return plain + (_without_groups(_unweighted(rest[1:-1])) if depth > 0 and rest.endswith(")") else rest)


def _unweighted(words: str) -> str:
    """ "man" for "man:1.2"; a weight is any text that Python reads as a number."""
    before, _, weight = words.rpartition(":")
    try:
        float(weight)
    except ValueError:
        return words
    return before or words
