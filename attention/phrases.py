"""The objects and styles that an instruction names."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Phrases:
    """An object and the style that is said of it, in the instruction's own words, without article.

    Attributes:
        object: "man"; None if none is named.
        style: "pixel-art".
    """

    object: str | None
    style: str


LONGEST_CLAUSE = 1000
"""Characters; longer ones are prose, and are not searched."""

_ARTICLE = r"(?:the|an?|this|that|these|those|my|his|her|its|our|their)\b"
_PREPOSITION = r"(?:in|into|to|with|using|as|like)\b"
_VERB = r"(?:make|turn|transform|convert|change|paint|repaint|draw|redraw|render|show|restyle|styli[sz]e|apply|give)\b"
_KEEP = r"(?:keep|keeping|leave|leaving|preserve|preserving|without|do not|don't)\b"
_BREAK = rf"[,;:!?]|\.(?= |$)|\b(?:and|but|while|then)\b(?= (?:then )?(?:{_ARTICLE}|{_VERB}|{_KEEP}))"
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
_AFTER_NOUN = re.compile(r"(?: (?:is|are|be|should|must|painted|drawn|rendered|shown))+$", re.IGNORECASE)


def parse_instruction(text: str) -> tuple[Phrases, ...]:
    """The objects and styles of "make the X in Y style, keep other area unchanged" and its natural variants.

    Several clauses, or several objects of one style, give several; nothing that is recognised gives none. Weights such
    as `(pixel-art:1.2)` are left out of the phrases.
    """
    found: list[Phrases] = []
    listed: list[str] = []  # "the man, the dog and ...": their style is yet to come
    style: str | None = None  # "... style to the man and ...", "in ... style, paint ...": its objects may go on
    for clause in _clauses(text):
        goes_on = _GOES_ON(clause)
        listed = listed if goes_on else []
        if _KEEPS(clause):
            style = None
        elif match := next((match for form in _FORMS if (match := form.match(clause))), None):
            style = _trim(match["style"])
            names = [name for name in (*listed, _noun(match["object"])) if name]
            found += [Phrases(name, style) for name in names or [None]]
            listed, style = [], style if match.end("object") in (0, len(clause)) else None
        elif style and found[-1].object is None and _ORDERS(clause):
            found[-1] = Phrases(_noun(clause), style)
        elif style and found[-1].object and goes_on:
            found.append(Phrases(_noun(clause), style))
        else:
            listed, style = [*listed, _noun(clause)], None
    return tuple(found)


def _clauses(text: str) -> list[str]:
    clauses = (_trim(clause) for clause in _BREAKS.split(" ".join(_without_weights(text).split())))
    return [clause for clause in clauses if 0 < len(clause) <= LONGEST_CLAUSE]


def _noun(words: str) -> str:
    """Without the verb and the article before it; "man in the red coat" keeps its own."""
    lead = _BEFORE_NOUN.match(words)
    return _trim(_AFTER_NOUN.sub("", words[lead.end() if lead else 0 :].rstrip()))


def _trim(words: str) -> str:
    return words.strip(" \"'")


def _without_weights(text: str) -> str:
    """The text as an encoder reads it: no weights, and escaped parentheses plain."""
    text = text.replace(r"\(", "\0").replace(r"\)", "\1")
    text = re.sub(r":\s*-?\d*\.?\d+\s*(?=\))", "", text).replace("(", "").replace(")", "")
    return text.replace("\0", "(").replace("\1", ")")
