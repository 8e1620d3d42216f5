"""Objects and styles of instructions as people write them."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from styleroute.attention import Phrases, find_span, parse_instruction

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


@INSTRUCTIONS
def test_instruction(text, expected):
    assert parse_instruction(text) == tuple(Phrases(*entry) for entry in expected)


@INSTRUCTIONS
def test_phrases_are_found_among_the_tokens(comfy_t5, text, expected):
    for phrase in (phrase for entry in expected for phrase in entry if phrase):
        assert find_span(comfy_t5, text, phrase)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_read(text):
    for phrases in parse_instruction(text):
        assert phrases.object is None or phrases.object
        assert isinstance(phrases.style, str)


@pytest.mark.parametrize(
    "text", ["the man in " * 90, "paint into as " * 70, "give a " * 140, "style of " * 110, "a " * 10**5]
)
def test_long_prose_takes_no_time(text):
    start = time.process_time()
    parse_instruction(text)
    assert time.process_time() - start < 2
