"""Objects and styles in typical instructions."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from styleroute.attention import AttentionError, find_span, parse_instruction
from styleroute.attention.nesting import MAX_NESTING
from styleroute.attention.phrases import _without_weights, style_stem
from styleroute.attention.spans import count_phrase

MAN = [("man", "pixel-art")]


INSTRUCTIONS = pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("make the man in pixel-art style, keep other area unchanged", MAN),
        ("make man in pixel-art style", MAN),
        ("Please make the man in pixel-art style.", MAN),
        ("Make the Man in Pixel-Art Style", [("Man", "Pixel-Art")]),
        ("make the\nman  in\n\npixel-art style", MAN),
        ("turn the X into Y style", [("X", "Y")]),
        ("paint the man with a pixel-art style", MAN),
        ("the man painted in pixel-art style", MAN),
        ("the man should be in pixel-art style", MAN),
        ("convert this man to pixel-art style; don't change the street", MAN),
        ("I want the man in pixel-art style", MAN),
        ("render his cat using an oil-painting style but keep the sky as it is", [("cat", "oil-painting")]),
        ("paint the old man in the style of Van Gogh", [("old man", "Van Gogh")]),
        ("paint the man in the style of a woodcut and keep the background", [("man", "woodcut")]),
        ("paint the man in style of a woodcut while leaving the rest", [("man", "woodcut")]),
        ('stylize the dog in the style of "Starry Night"', [("dog", "Starry Night")]),
        ("turn the guitar into a mosaic, keep the rest", [("guitar", "mosaic")]),
        ("repaint the guitar as a watercolour", [("guitar", "watercolour")]),
        ("make the guitar look like a stained-glass window", [("guitar", "stained-glass window")]),
        ("apply a pixel-art style to the man", MAN),
        ("apply pixel-art style to the man and the dog, keep other area", [*MAN, ("dog", "pixel-art")]),
        ("apply pixel-art style to the man, keep the sky and the sea", MAN),
        ("give the man with a hat a pixel-art look", [("man with a hat", "pixel-art")]),
        ("in pixel-art style, paint the man", MAN),
        ("keep the background, make the man in pixel-art style", MAN),
        ("make the man in pixel-art style, keep the rest in its original style", MAN),
        ("make the guitar in mosaic-style", [("guitar", "mosaic")]),
        ("make the man in black and white style", [("man", "black and white")]),
        ("make the man in the red coat in pixel-art style", [("man in the red coat", "pixel-art")]),
        ("make the man holding a guitar in pixel-art style", [("man holding a guitar", "pixel-art")]),
        ("make the salt and pepper shaker in mosaic style", [("salt and pepper shaker", "mosaic")]),
        ("make the dog's collar in mosaic style", [("dog's collar", "mosaic")]),
        ("the X in Y style and the Z in W style", [("X", "Y"), ("Z", "W")]),
        ("make the X in Y style, the Z in W style, and the Q in R style", [("X", "Y"), ("Z", "W"), ("Q", "R")]),
        ("make the man in la muse style and make the dog in udnie style", [("man", "la muse"), ("dog", "udnie")]),
        ("make the man and the dog in pixel-art style", [*MAN, ("dog", "pixel-art")]),
        (
            "make the man, the dog and the cat in pixel-art style",
            [*MAN, ("dog", "pixel-art"), ("cat", "pixel-art")],
        ),
        ("make the (man:1.1) in (pixel-art:1.2) style", MAN),
        ("make the ((man)) in (pixel-art style:0.8)", MAN),
        (r"make the cat \(small\) in mosaic style", [("cat (small)", "mosaic")]),
        ("in the style of Van Gogh", [(None, "Van Gogh")]),
        ("pixel-art style", [(None, "pixel-art")]),
        ("a photo of a cat", []),
        ("keep everything unchanged", []),
        ("", []),
        (" ,;. ", []),
    ],
)


def mentions(found):
    return [said for part in found for said in (part.object, part.style) if said]


@INSTRUCTIONS
def test_instruction(text, expected):
    found = parse_instruction(text)
    assert [(part.object and part.object.words, part.style.words) for part in found] == expected
    if not set(text) & set("()"):
        assert all((" ".join(text.split())).startswith(said.before + said.words) for said in mentions(found))


@INSTRUCTIONS
def test_phrases_are_found_among_the_tokens(comfy_t5, text, expected):
    for phrase in (phrase for entry in expected for phrase in entry if phrase):
        assert find_span(comfy_t5, text, phrase)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "make the cat in mosaic style and the dog in mosaic style",
            [("cat", 0), ("mosaic", 0), ("dog", 0), ("mosaic", 1)],
        ),
        ("make the mosaic floor in mosaic style", [("mosaic floor", 0), ("mosaic", 1)]),
        ("make the (man:+1.2) in (pixel-art:1.) style", [("man", 0), ("pixel-art", 0)]),
        ("make the man (old (coat) in mosaic style", [("man (old (coat)", 0), ("mosaic", 0)]),
        ("make the (mosaic floor:1.2) in (Mosaic style:0.8)", [("mosaic floor", 0), ("Mosaic", 1)]),
        (r"paint a sign \(mosaic\), make the sign in mosaic style", [("sign", 1), ("mosaic", 1)]),
        ("make the man's hat in woven style and the man in woven style", [
            ("man's hat", 0), ("woven", 0), ("man", 1), ("woven", 1),
        ]),
        ("make the man and the dog in pixel-art style", [("man", 0), ("pixel-art", 0), ("dog", 0), ("pixel-art", 0)]),
        ("the artist in art style", [("artist", 0), ("art", 0)]),
        ("in mosaic style, paint the mosaic floor", [("mosaic floor", 0), ("mosaic", 0)]),
    ],
)  # fmt: skip
def test_a_mention_identifies_its_occurrence(comfy_t5, text, expected):
    found = mentions(parse_instruction(text))
    assert [(said.words, count_phrase(comfy_t5, said.before, said.words)) for said in found] == expected


PIECES = st.lists(
    st.sampled_from(
        ["(", ")", "((", "))", "man", "red coat", " ", "(man:+1.2)", ":1.", ":1e-1)", ":x)", ":)", "(:2)", r"\(", r"\)"]
    ),
    max_size=12,
)


@settings(max_examples=500, deadline=None)
@given(PIECES)
def test_weights_are_read_as_comfyui_reads_them(comfyui_sd1_clip, pieces):
    text = "".join(pieces)
    parts = comfyui_sd1_clip.token_weights(comfyui_sd1_clip.escape_important(text), 1.0)
    read = "".join(comfyui_sd1_clip.unescape_important(part) for part, _ in parts)
    assert _without_weights(text) == read


@settings(max_examples=200, deadline=None)
@given(PIECES, PIECES)
def test_every_parsed_phrase_is_in_the_prompt(comfy_t5, thing, style):
    # Separated by spaces, because T5 gets the text before a parenthesis and the text in it as two words.
    text = f"make the man {' '.join(thing)} in café {' '.join(style)} style, keep other area unchanged"
    for said in mentions(parse_instruction(text)):
        if any(letter.isalpha() for letter in said.words):
            assert find_span(comfy_t5, text, said.words, count_phrase(comfy_t5, said.before, said.words))


@pytest.mark.parametrize("style", ["pixel-art", "Pixel Art", "pixel_art", "PIXEL-ART style", "Pixel-Art-Style"])
def test_a_style_may_be_written_in_several_ways(style):
    assert style_stem(style) == "pixel-art"


def test_odd_names_of_styles():
    assert style_stem("Style") == style_stem("?!") == "style"
    assert style_stem("style transfer") == "style-transfer"
    assert style_stem("Jugendstil 2") == "jugendstil-2"


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_read(text):
    for phrases in parse_instruction(text):
        assert phrases.object is None or phrases.object.words
        assert isinstance(phrases.style.words, str)


@pytest.mark.parametrize(
    "text",
    [
        "the man in " * 90,
        "paint into as " * 70,
        "give a " * 140,
        "style of " * 110,
        "a " * 10**5,
        "style and owl in " * 6000,
    ],
)
def test_long_prose_is_parsed_fast(text):
    start = time.process_time()
    parse_instruction(text)
    assert time.process_time() - start < 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("make guitar in mosaic style and owl in ink style", [("guitar", "mosaic"), ("owl", "ink")]),
        (
            "make guitar in mosaic style and owl with big eyes in ink style",
            [("guitar", "mosaic"), ("owl with big eyes", "ink")],
        ),
        ("make the man in manga style and anime style", [("man", "manga")]),
        ("make the man in watercolor style and with thick lines", [("man", "watercolor")]),
        ("make the old-style lamp in mosaic style", [("old-style lamp", "mosaic")]),
    ],
)
def test_after_a_style_another_object_may_follow_without_an_article(text, expected):
    assert [(found.object.words, found.style.words) for found in parse_instruction(text)] == expected


def test_clauses_that_cannot_be_separated_are_not_parsed():
    assert parse_instruction("guitar in the style of Klimt and owl in ink style") == ()


@pytest.mark.parametrize("text", ["(" * 3000 + "the man in mosaic style" + ")" * 3000, "a (" * 3000])
def test_too_many_parentheses_are_refused(text):
    with pytest.raises(AttentionError, match=r"has 3000 levels of parentheses, expected at most 100\. Remove"):
        parse_instruction(text)


def test_as_many_parentheses_as_allowed_are_read():
    text = "(" * MAX_NESTING + "make the man in mosaic style" + ")" * MAX_NESTING
    assert parse_instruction(text)[0].style.words == "mosaic"
    assert parse_instruction(r"\(" * 200 + "the man in mosaic style") is not None
