"""The objects and styles that an instruction names."""

import re
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True)
class Mention:
    """A phrase where an instruction says it, in its own words, without article.

    Attributes:
        words: "pixel-art".
        before: the instruction up to there, as an encoder reads it: it may say the same words more than once.
    """

    words: str
    before: str = ""


@dataclass(frozen=True)
class Phrases:
    """An object and the style that is said of it.

    Attributes:
        object: "man"; None if none is named.
        style: "pixel-art"; of several objects perhaps, each with the same mention.
    """

    object: Mention | None
    style: Mention


LONGEST_CLAUSE = 1000
"""Characters; longer ones are prose, and are not searched."""

_ARTICLE = r"(?:the|an?|this|that|these|those|my|his|her|its|our|their)\b"
_PREPOSITION = r"(?:in|into|to|with|using|as|like)\b"
_VERB = r"(?:make|turn|transform|convert|change|paint|repaint|draw|redraw|render|show|restyle|styli[sz]e|apply|give)\b"
_KEEP = r"(?:keep|keeping|leave|leaving|preserve|preserving|without|do not|don't)\b"
_BREAK = rf"[,;:!?]|\.(?= |$)|\b(?:and|but|while|then)\b(?= (?:then )?(?:{_ARTICLE}|{_VERB}|{_KEEP}))"
# guitar in mosaic style and owl in ink style: without articles, what follows the style tells that an object does
_BREAK += rf"|(?:(?<=style )|(?<=styles ))and\b(?= (?!{_PREPOSITION}).{{1,60}} {_PREPOSITION} .{{0,60}}\bstyles?\b)"
_STYLE = rf"(?:{_ARTICLE} )?(?P<style>"

# What a clause may look like, the most telling form first.
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
    """A part of a text, and where it starts there."""

    text: str
    start: int

    def __bool__(self) -> bool:
        return bool(self.text)

    def part(self, start: int, end: int | None = None) -> "_Words":
        """From `start` to `end` of these."""
        return _Words(self.text[start:end], self.start + start)

    def trimmed(self) -> "_Words":
        """Without spaces and quotation marks around them."""
        return _Words(self.text.strip(_AROUND), self.start + len(self.text) - len(self.text.lstrip(_AROUND)))


def parse_instruction(text: str) -> tuple[Phrases, ...]:
    """The objects and styles of "make the X in Y style, keep other area unchanged" and its natural variants.

    Several clauses, or several objects of one style, give several; nothing that is recognised gives none, and so does
    a phrase with another clause within. Weights such as `(pixel-art:1.2)` are left out of the
    phrases.
    """
    text = " ".join(_without_weights(text).split())
    pairs = _pairs(text)
    if any(_TWO_CLAUSES(words.text) for pair in pairs for words in pair if words):
        return ()
    return tuple(Phrases(_mention(text, noun) if noun else None, _mention(text, style)) for noun, style in pairs)


def style_stem(style: str) -> str:
    """A style's name as files have it, "pixel-art" of "Pixel Art style"; so people may name it in any of these ways."""
    words = "".join(letter if letter.isalnum() else " " for letter in style.casefold()).split()
    return "-".join(words[:-1] if len(words) > 1 and words[-1] == "style" else words) or "style"


def _pairs(text: str) -> list[tuple[_Words | None, _Words]]:
    """Objects and their styles."""
    found: list[tuple[_Words | None, _Words]] = []
    listed: list[_Words] = []  # "the man, the dog and ...": their style is yet to come
    style: _Words | None = None  # "... style to the man and ...", "in ... style, paint ...": its objects may go on
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
    """Without the verb and the article before it; "man in the red coat" keeps its own."""
    lead = _BEFORE_NOUN.match(words.text)
    words = words.part(lead.end() if lead else 0).trimmed()
    tail = _AFTER_NOUN.search(words.text)
    return words.part(0, tail.start() if tail else None).trimmed()


def _mention(text: str, words: _Words) -> Mention:
    return Mention(words.text, text[: words.start])


def _without_weights(text: str) -> str:
    """The text as an encoder reads it: no weights, and escaped parentheses plain."""
    text = _without_groups(text.replace(r"\(", "\0").replace(r"\)", "\1"))
    return text.replace("\0", "(").replace("\1", ")")


def _without_groups(text: str) -> str:
    """Parentheses and weights of each group taken away as ComfyUI reads them; one that is not closed is plain text."""
    plain, depth, start = "", 0, 0
    for place, letter in enumerate(text):
        if letter == "(":
            if depth == 0:
                plain, start = plain + text[start:place], place
            depth += 1
        elif letter == ")":
            depth -= 1
            if depth == 0:
                plain, start = plain + _without_groups(_unweighted(text[start + 1 : place])), place + 1
    rest = text[start:]
    # "(red (coat)": ComfyUI takes the outer ones of what is left for a pair.
    return plain + (_without_groups(_unweighted(rest[1:-1])) if depth > 0 and rest.endswith(")") else rest)


def _unweighted(words: str) -> str:
    """ "man" of "man:1.2"; a weight is whatever Python reads as a number."""
    before, _, weight = words.rpartition(":")
    try:
        float(weight)
    except ValueError:
        return words
    return before or words
